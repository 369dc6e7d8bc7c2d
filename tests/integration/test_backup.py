"""A backup is whole or refused; it goes back exactly, and only into an empty place. On both databases."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from jobs.backup import taking
from jobs.backup.archive import HEADER, MANIFEST
from jobs.backup.restoring import Restored, restore_backup
from jobs.backup.taking import take_backup
from jobs.database import Database
from jobs.database.migrate import MIGRATIONS, list_revisions
from jobs.errors import BackupError
from jobs.farm import Farm
from jobs.settings import Settings
from tests.builders import accept, claim, fail, finish, list_files, must_claim, read_everything, send

Elsewhere = Callable[[], Settings]
NEXT_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "next", "{head}"


def upgrade():
    op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True))
"""


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Elsewhere]:
    """Settings of an empty farm on the same kind of database; another one at each call."""
    names: list[str] = []
    is_sqlite = settings.database.startswith("sqlite")
    address: str | None = None if is_sqlite else request.getfixturevalue("postgres_address")

    def make() -> Settings:
        name = f"restored_{uuid.uuid4().hex[:12]}"
        url = f"sqlite:///{tmp_path / name / 'farm.sqlite3'}"
        if address is not None:
            names.append(name)
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            url = re.sub(r"/farm_integration\b", f"/{name}", settings.database)
        return settings.model_copy(update={"data_dir": tmp_path / name, "database_url": url})

    yield make
    if address is not None:
        with psycopg.connect(address, autocommit=True) as connection:
            for name in names:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def busy_farm(farm: Farm) -> Farm:
    """A farm with tasks in every state, a secret key, and pictures."""
    accept(farm, 5)
    done = must_claim(farm)
    send(farm, done)
    finish(farm, done, images=2)
    fail(farm, must_claim(farm))
    send(farm, must_claim(farm))
    assert farm.signer
    return farm


def restore(settings: Settings, path: Path) -> Restored:
    database = Database(settings.database)
    try:
        return restore_backup(settings, database, path)
    finally:
        database.dispose()


def back_up(farm: Farm, path: Path) -> Path:
    taken = take_backup(farm.settings, farm.database, path)
    assert taken.missing == []
    return path


def contents(farm: Farm) -> tuple[dict[str, list[tuple[Any, ...]]], dict[str, bytes]]:
    return read_everything(farm), {path: farm.storage.read(path) for path in list_files(farm)}


def is_untouched(settings: Settings) -> bool:
    """Nothing in DATA_DIR, nothing in the database."""
    if settings.data_dir.exists() and list(settings.data_dir.iterdir()):
        return False
    if settings.database.startswith("sqlite"):
        return not Path(settings.database.removeprefix("sqlite:///")).exists()
    with psycopg.connect(settings.database.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return row == (0,)


def test_rows_files_and_secrets_come_back_exactly(busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path) -> None:
    path = back_up(busy_farm, tmp_path / "farm.backup")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.glob("*farm.backup*")] == ["farm.backup"]
    there = elsewhere()
    restored = restore(there, path)
    farm = Farm(there)
    try:
        assert contents(farm) == contents(busy_farm)
        assert farm.signer == busy_farm.signer
        assert (there.data_dir / "secrets" / "secret_key").stat().st_mode & 0o777 == 0o600
        assert restored.files == 5 + 4 and restored.deleted == [] and not restored.needs_secret_key
        accept(farm, 1, order_id="the-next")  # new rows get numbers that nobody has
        assert len(read_everything(farm)["tasks"]) == 6
        claim(farm)
    finally:
        farm.close()


def test_a_changed_or_cut_file_is_refused_with_a_sentence(
    busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    whole = back_up(busy_farm, tmp_path / "whole").read_bytes()
    with tarfile.open(tmp_path / "whole") as tar:
        places = {entry.name: (entry.offset, entry.offset_data, entry.size) for entry in tar}
    there = elsewhere()
    damaged = tmp_path / "damaged"
    for name, (header, data, size) in places.items():
        for place in (header + 2, data + size // 2, data + size - 1):
            damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(BackupError, match=f"^{damaged} (is|was) .*"):
                restore(there, damaged)
            assert is_untouched(there), (name, place)
        for end in (header + 100, data + size // 2, data + size):
            damaged.write_bytes(whole[:end])
            with pytest.raises(BackupError, match=f"^{damaged} is "):
                restore(there, damaged)
            assert is_untouched(there), (name, end)
    damaged.write_bytes(b"")
    with pytest.raises(BackupError, match="is not a backup"):
        restore(there, damaged)
    restore(there, tmp_path / "whole")


def test_a_member_that_would_be_written_elsewhere_is_refused(
    busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    back_up(busy_farm, tmp_path / "whole")
    there = elsewhere()
    for name in ("../../outside", "/outside", "files/photos/../../x.jpg", "redis/url"):
        with tarfile.open(tmp_path / "whole") as old, tarfile.open(tmp_path / "bad", "w") as new:
            for entry in old:
                if entry.name == MANIFEST:
                    new.addfile(tarfile.TarInfo(name))
                new.addfile(entry, old.extractfile(entry))
        with pytest.raises(BackupError, match="unexpected entry"):
            restore(there, tmp_path / "bad")
        assert is_untouched(there)


def test_it_goes_only_into_an_empty_place(busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path) -> None:
    path = back_up(busy_farm, tmp_path / "farm.backup")
    before = contents(busy_farm)
    with pytest.raises(BackupError, match="is not empty"):
        restore(busy_farm.settings, path)
    only_folder = busy_farm.settings.model_copy(update={"database_url": elsewhere().database_url})
    with pytest.raises(BackupError, match=r"is not empty \(files\): stop the farm"):
        restore(only_folder, path)
    only_database = elsewhere().model_copy(update={"database_url": busy_farm.settings.database_url})
    with pytest.raises(BackupError, match=r"exists already|database is not empty"):
        restore(only_database, path)
    assert contents(busy_farm) == before
    there = elsewhere()
    (there.data_dir / ".restoring" / "files").mkdir(parents=True)  # what a killed restore leaves
    restore(there, path)
    assert not (there.data_dir / ".restoring").exists()


def test_a_backup_of_another_kind_or_a_newer_version_is_refused(
    busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = back_up(busy_farm, tmp_path / "farm.backup")
    there = elsewhere()
    monkeypatch.setattr("jobs.backup.restoring.list_revisions", lambda: ["0000"])
    with pytest.raises(BackupError, match=r"newer version of the farm \(revision 0"):
        restore(there, path)
    monkeypatch.undo()
    other = "postgresql+psycopg://nobody@127.0.0.1:1/none" if there.database.startswith("sqlite") else ""
    with pytest.raises(BackupError, match="they must be alike"):
        restore(there.model_copy(update={"database_url": other}), path)
    assert is_untouched(there)


def test_a_backup_of_an_older_version_is_migrated(
    busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = back_up(busy_farm, tmp_path / "farm.backup")
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "next.py").write_text(NEXT_MIGRATION.format(head=list_revisions()[0]))
    monkeypatch.setattr("jobs.database.migrate.MIGRATIONS", tmp_path / "migrations")
    monkeypatch.setattr("jobs.database.revision.REVISION", "next")
    there = elsewhere()
    restore(there, path)
    farm = Farm(there)
    try:
        assert farm.database.read(lambda session: session.execute(text("SELECT count(*) FROM extra")).scalar()) == 0
        assert contents(farm) == contents(busy_farm)
    finally:
        farm.close()


def test_an_order_deleted_meanwhile_is_named_and_a_lost_file_is_another_matter(
    busy_farm: Farm, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(busy_farm, 1, order_id="leaves")
    lost = next(path for path in list_files(busy_farm) if path.startswith("images/"))
    add_files = taking._add_files

    def delete_first(*args: Any) -> Iterator[Any]:
        busy_farm.interventions.delete_order("leaves", actor="booth:1")
        busy_farm.storage.delete(lost)
        yield from add_files(*args)

    monkeypatch.setattr(taking, "_add_files", delete_first)
    taken = take_backup(busy_farm.settings, busy_farm.database, tmp_path / "farm.backup")
    assert (taken.deleted, taken.missing) == (1, [lost])
    restored = restore(elsewhere(), tmp_path / "farm.backup")
    assert (restored.deleted, restored.missing) == (["leaves"], [lost])


def test_no_room_no_folder_or_a_file_there_already_leave_nothing_behind(
    busy_farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "backups" / "farm.backup"
    with pytest.raises(BackupError, match="There is no folder"):
        back_up(busy_farm, target)
    target.parent.mkdir()
    free = shutil.disk_usage(tmp_path).free
    full = busy_farm.settings.model_copy(update={"disk_reserve_mb": free // 1_000_000 + 1_000})
    with pytest.raises(BackupError, match=r"has no room: .* in reserve \(DISK_RESERVE_MB\)"):
        take_backup(full, busy_farm.database, target)
    monkeypatch.setattr("jobs.backup.archive.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        take_backup(busy_farm.settings, busy_farm.database, target)
    monkeypatch.undo()
    assert list(target.parent.iterdir()) == []
    back_up(busy_farm, target)
    kept = target.read_bytes()
    with pytest.raises(BackupError, match="exists already"):
        take_backup(busy_farm.settings, busy_farm.database, target)
    assert target.read_bytes() == kept


def test_the_file_tells_what_it_is_to_whoever_opens_it_with_tar(busy_farm: Farm, tmp_path: Path) -> None:
    with tarfile.open(back_up(busy_farm, tmp_path / "farm.backup")) as tar:
        names = tar.getnames()
        header = json.load(tar.extractfile(HEADER))  # type: ignore[arg-type]
        manifest = json.load(tar.extractfile(MANIFEST))  # type: ignore[arg-type]
    assert names[0] == HEADER and names[-2] == MANIFEST
    assert header["database"] in ("sqlite", "postgresql") and header["format"] == 1
    assert (manifest["counts"]["tasks"], manifest["counts"]["files"]) == (5, 9)
    assert set(manifest["sha256"]) == set(names) - {MANIFEST, "manifest.sha256"}
