"""What ComfyuiClient relies on, checked against each server: the stand-in, and a real ComfyUI where one is named."""

from __future__ import annotations

import pytest

from jobs.comfyui.client import ComfyuiClient
from jobs.errors.steps import WorkflowRejected
from jobs.styles.graph import Graph, missing_from
from tests.contract.fakes import (
    PHOTO,
    blank,
    blank_graph,
    ending_of,
    new_id,
    node,
    opened,
    photo_work,
    raw_queue,
    running_at,
    save,
    sleep_graph,
    submit,
    until,
)

GUEST_TEXT = "words of a guest"


def photo_graph(name: str) -> Graph:
    graph: Graph = photo_work().step["graph"]
    graph["1"]["inputs"]["image"] = name
    graph["3"]["inputs"]["filename_prefix"] = f"contract/{new_id()}"
    return graph


def test_uploaded_photo_is_named_with_its_folder_and_can_be_loaded(client: ComfyuiClient) -> None:
    name = f"{new_id()}.jpg"
    assert client.upload(PHOTO, name, "contract") == f"contract/{name}"
    assert client.upload(PHOTO, name, "") == name
    ending = ending_of(client, submit(client, photo_graph(f"contract/{name}")))
    assert ending.status == "success"
    [ref] = ending.images["3"]
    assert opened(client.view(ref)).size == opened(PHOTO).size


def test_name_is_the_one_that_the_server_chose(client: ComfyuiClient) -> None:
    name = new_id()
    assert client.upload(PHOTO, f"{name}.jpg", "contract") == f"contract/{name}.jpg"
    assert client.upload(PHOTO + b"\0", f"{name}.jpg", "contract") == f"contract/{name} (1).jpg"


@pytest.mark.sleeps
def test_prompt_is_queued_then_in_the_history_with_its_pictures(client: ComfyuiClient) -> None:
    ahead = submit(client, sleep_graph(60))
    prompt_id = submit(client, blank_graph())
    running_at(client, ahead)
    queue = client.queue()
    assert (queue.running, queue.pending) == ((ahead,), (prompt_id,))
    assert prompt_id in queue
    assert (client.history(ahead), client.history(prompt_id)) == (None, None)
    client.interrupt(ahead)
    ending = ending_of(client, prompt_id)
    assert prompt_id not in client.queue()
    assert (ending.status, ending.error, list(ending.images)) == ("success", "", ["2"])
    [ref] = ending.images["2"]
    assert (ref.type, ref.subfolder) == ("output", "contract")
    assert opened(client.view(ref)).size == (64, 64)


def test_own_prefixes_give_own_files(client: ComfyuiClient) -> None:
    prefixes = [f"contract/{new_id()}" for _ in range(3)]
    endings = [ending_of(client, submit(client, blank_graph(prefix))) for prefix in prefixes]
    names = [ref.filename for ending in endings for ref in ending.images["2"]]
    assert names == [f"{prefix.partition('/')[2]}_00001_.png" for prefix in prefixes]


@pytest.mark.parametrize(
    ("graph", "kinds"),
    [
        ({"1": node(GUEST_TEXT), "2": save("1", "x")}, ["invalid_prompt"]),
        (
            {"1": node("LoadImage", image=f"{GUEST_TEXT}.jpg"), "2": save("1", "x")},
            ["LoadImage: custom_validation_failed"],
        ),
        (
            {"1": node("EmptyImage", width=0, height=64, batch_size=1, color=0), "2": save("1", GUEST_TEXT)},
            ["EmptyImage: value_smaller_than_min"],
        ),
        (
            {
                "1": blank(),
                "2": node("ImageScaleBy", image=["1", 0], upscale_method=GUEST_TEXT, scale_by=99.0),
                "3": save("2", "x"),
            },
            ["ImageScaleBy: value_bigger_than_max", "ImageScaleBy: value_not_in_list"],
        ),
        ({"1": blank()}, ["prompt_no_outputs"]),
    ],
    ids=["class", "file", "range", "choice", "outputs"],
)
def test_refusal_names_its_kinds_and_quotes_nothing(client: ComfyuiClient, graph: Graph, kinds: list[str]) -> None:
    with pytest.raises(WorkflowRejected) as refused:
        submit(client, graph)
    for kind in kinds:
        assert kind in refused.value.detail.split(", ")
    assert GUEST_TEXT not in f"{refused.value} {refused.value.detail}"
    assert refused.value.outcome == "rejected"
    assert client.queue().pending == ()


def test_graph_taken_in_part_is_a_refusal_of_what_may_run(client: ComfyuiClient) -> None:
    graph = blank_graph() | {"3": node("LoadImage", image=f"{GUEST_TEXT}.jpg"), "4": save("3", "x")}
    prompt_id = new_id()
    with pytest.raises(WorkflowRejected) as refused:
        client.submit(graph, prompt_id=prompt_id, client_id=new_id())
    assert refused.value.outcome == "failed"
    assert refused.value.detail == "LoadImage: custom_validation_failed"
    assert list(ending_of(client, prompt_id).images) == ["2"]  # the part that was taken


def test_unknown_prompt_has_no_history(client: ComfyuiClient) -> None:
    assert client.history(new_id()) is None
    assert client.history("a/b?c#d") is None


@pytest.mark.sleeps
def test_waiting_prompt_is_deleted_by_its_id(client: ComfyuiClient) -> None:
    ahead = submit(client, sleep_graph(60))
    deleted, kept = submit(client, blank_graph()), submit(client, blank_graph())
    running_at(client, ahead)
    client.delete(deleted)
    client.delete(ahead)  # runs, so it is left alone
    client.delete(new_id())
    queue = client.queue()
    assert (queue.running, queue.pending) == ((ahead,), (kept,))
    client.interrupt(ahead)
    assert ending_of(client, kept).status == "success"
    assert client.history(deleted) is None


@pytest.mark.sleeps
def test_interruption_stops_the_named_prompt_alone(client: ComfyuiClient) -> None:
    running = submit(client, sleep_graph(60))
    waiting = submit(client, blank_graph())
    running_at(client, running)
    client.interrupt(new_id())
    client.interrupt(waiting)
    assert client.queue().running == (running,)
    client.interrupt(running)
    ending = ending_of(client, running)
    assert (ending.status, ending.error, ending.images) == ("interrupted", "interrupted", {})
    assert ending_of(client, waiting).status == "success"  # an interruption while it waited does not count


@pytest.mark.sleeps
def test_interruption_of_another_id_lets_the_running_one_end_well(client: ComfyuiClient) -> None:
    running = submit(client, sleep_graph(0.5))
    running_at(client, running)
    client.interrupt(new_id())
    assert ending_of(client, running).status == "success"


def test_failed_run_names_the_node_and_the_exception_only(client: ComfyuiClient) -> None:
    # A constant in the place of a link passes the checks of a core node and fails when it runs.
    graph = {"1": node("SaveImage", images=GUEST_TEXT, filename_prefix=f"contract/{new_id()}")}
    ending = ending_of(client, submit(client, graph))
    assert (ending.status, ending.images, ending.error) == ("error", {}, "SaveImage: AttributeError")


@pytest.mark.sleeps
def test_failure_of_a_node_of_others_is_named(client: ComfyuiClient) -> None:
    graph = {"1": blank(), "2": node("TestFail", image=["1", 0], message=GUEST_TEXT), "3": save("2", "contract/x")}
    ending = ending_of(client, submit(client, graph))
    assert (ending.status, ending.error) == ("error", "TestFail: ValueError")


@pytest.mark.sleeps
def test_queue_is_in_the_order_of_execution(client: ComfyuiClient) -> None:
    first, second = submit(client, sleep_graph(60)), submit(client, sleep_graph(60))
    running_at(client, first)
    rest = [submit(client, blank_graph()) for _ in range(6)]
    assert client.queue().pending == (second, *rest)
    client.interrupt(first)
    running_at(client, second)
    assert client.queue().pending == tuple(rest)
    assert raw_queue(client.url) != rest  # the server itself names them in the order of its heap
    client.interrupt(second)
    for prompt_id in rest:
        assert ending_of(client, prompt_id).status == "success"


def test_catalog_names_classes_and_choices_but_no_files_of_others(client: ComfyuiClient) -> None:
    client.upload(PHOTO, f"{new_id()}.jpg", "")
    catalog = client.catalog()
    assert catalog["LoadImage"] == {"image": None}
    assert "nearest-exact" in (catalog["ImageScale"]["upscale_method"] or [])
    assert "floyd-steinberg" in (catalog["ImageQuantize"]["dither"] or [])  # described in the newer form
    assert catalog["EmptyImage"]["width"] is None
    assert "ckpt_name" in catalog["CheckpointLoaderSimple"]
    assert missing_from(photo_graph("any.jpg"), set(), catalog) == []
    lacking = {"1": node("CheckpointLoaderSimple", ckpt_name="none.safetensors"), "2": node("NoSuchNode")}
    assert missing_from(lacking, set(), catalog) == ["ckpt_name none.safetensors", "node NoSuchNode"]


def test_empty_queue_is_empty(client: ComfyuiClient) -> None:
    queue = until(lambda: (found := client.queue()).running == () and found)
    assert (queue.running, queue.pending) == ((), ())
