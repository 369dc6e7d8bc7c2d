"""Checkpoints, conditioning, latents and the sampler, so that portrait graphs run: pictures are drawn over, not dreamt.

A model is only its name here and a latent is the picture itself; the sampler turns it into flat, outlined colours.
"""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from scripts.simulators.comfyui.node import Batch, Input, Node, Work, choice, decimal, integer, link, text
from scripts.simulators.pictures import dream, stylise

LATENT_GRID = 8  # a latent cell stands for so many pixels
LARGEST_SEED = 2**64 - 1
SAMPLERS = choice(
    *(
        "euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 dpm_2 dpm_2_ancestral lms dpm_fast"
    ).split(),
    *(
        "dpm_adaptive dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu dpmpp_2m dpmpp_2m_cfg_pp"
    ).split(),
    *(
        "dpmpp_2m_sde dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde dpmpp_3m_sde_gpu ddpm"
    ).split(),
    *("lcm ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral").split(),
    *("res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2 seeds_3").split(),
    *("sa_solver sa_solver_pece ddim uni_pc uni_pc_bh2").split(),
)
SCHEDULERS = choice(
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic", "kl_optimal"
)


@dataclass(frozen=True)
class Latent:
    """Pictures on their way through the sampler; empty ones have only a size."""

    size: tuple[int, int]
    pictures: tuple[Image.Image | None, ...]


def _load_checkpoint(work: Work, ckpt_name: str) -> tuple[str, str, str]:
    return ckpt_name, ckpt_name, ckpt_name


def _load_lora(
    work: Work, model: str, clip: str, lora_name: str, strength_model: float, strength_clip: float
) -> tuple[str, str]:
    return f"{model}+{lora_name}", f"{clip}+{lora_name}"


def _encode_text(work: Work, text: str, clip: str) -> tuple[str]:
    return (text,)


def _encode(work: Work, pixels: Batch, vae: str) -> tuple[Latent]:
    """A latent has whole cells only: what is over at the edges is cut off evenly."""
    width, height = (side - side % LATENT_GRID for side in pixels[0].size)
    left, top = (pixels[0].width - width) // 2, (pixels[0].height - height) // 2
    return (Latent((width, height), tuple(one.crop((left, top, left + width, top + height)) for one in pixels)),)


def _decode(work: Work, samples: Latent, vae: str) -> tuple[Batch]:
    return ([one or Image.new("RGB", samples.size, (127, 127, 127)) for one in samples.pictures],)


def _empty_latent(work: Work, width: int, height: int, batch_size: int) -> tuple[Latent]:
    size = width - width % LATENT_GRID, height - height % LATENT_GRID
    return (Latent(size, (None,) * batch_size),)


def _sample(work: Work, seed: int, latent_image: Latent, denoise: float, **_: Any) -> tuple[Latent]:
    drawn = tuple(
        dream(latent_image.size, seed + index)
        if one is None
        else stylise(one, strength=0.25 + 0.75 * denoise if denoise else 0, seed=seed + index)
        for index, one in enumerate(latent_image.pictures)
    )
    return (Latent(latent_image.size, drawn),)


def _load_named(work: Work, **names: str) -> tuple[str]:
    return (next(iter(names.values())),)


def _apply_control(work: Work, positive: str, negative: str, **_: Any) -> tuple[str, str]:
    return positive, negative


def _enlarge(work: Work, upscale_model: str, image: Batch) -> tuple[Batch]:
    return ([one.resize((one.width * 2, one.height * 2), Image.Resampling.LANCZOS) for one in image],)


SAMPLING_NODES = {
    "CheckpointLoaderSimple": Node(
        _load_checkpoint,
        {"ckpt_name": Input(folder="checkpoints")},
        ("MODEL", "CLIP", "VAE"),
        display_name="Load Checkpoint",
        category="loaders",
    ),
    "LoraLoader": Node(
        _load_lora,
        {
            "model": link("MODEL"),
            "clip": link("CLIP"),
            "lora_name": Input(folder="loras"),
            "strength_model": decimal(1.0, -100.0, 100.0, step=0.01),
            "strength_clip": decimal(1.0, -100.0, 100.0, step=0.01),
        },
        ("MODEL", "CLIP"),
        display_name="Load LoRA",
        category="loaders",
    ),
    "CLIPTextEncode": Node(
        _encode_text,
        {"text": text(multiline=True, dynamicPrompts=True), "clip": link("CLIP")},
        ("CONDITIONING",),
        display_name="CLIP Text Encode (Prompt)",
        category="conditioning",
    ),
    "VAEEncode": Node(
        _encode,
        {"pixels": link("IMAGE"), "vae": link("VAE")},
        ("LATENT",),
        display_name="VAE Encode",
        category="latent",
    ),
    "VAEDecode": Node(
        _decode,
        {"samples": link("LATENT"), "vae": link("VAE")},
        ("IMAGE",),
        display_name="VAE Decode",
        category="latent",
    ),
    "EmptyLatentImage": Node(
        _empty_latent,
        {
            "width": integer(512, 16, 16384, step=8),
            "height": integer(512, 16, 16384, step=8),
            "batch_size": integer(1, 1, 4096),
        },
        ("LATENT",),
        display_name="Empty Latent Image",
        category="latent",
    ),
    "KSampler": Node(
        _sample,
        {
            "model": link("MODEL"),
            "seed": integer(0, 0, LARGEST_SEED, control_after_generate=True),
            "steps": integer(20, 1, 10000),
            "cfg": decimal(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": SAMPLERS,
            "scheduler": SCHEDULERS,
            "positive": link("CONDITIONING"),
            "negative": link("CONDITIONING"),
            "latent_image": link("LATENT"),
            "denoise": decimal(1.0, 0.0, 1.0, step=0.01),
        },
        ("LATENT",),
        category="sampling",
    ),
    "ControlNetLoader": Node(
        _load_named,
        {"control_net_name": Input(folder="controlnet")},
        ("CONTROL_NET",),
        display_name="Load ControlNet Model",
        category="loaders",
    ),
    "ControlNetApplyAdvanced": Node(
        _apply_control,
        {
            "positive": link("CONDITIONING"),
            "negative": link("CONDITIONING"),
            "control_net": link("CONTROL_NET"),
            "image": link("IMAGE"),
            "strength": decimal(1.0, 0.0, 10.0, step=0.01),
            "start_percent": decimal(0.0, 0.0, 1.0, step=0.001),
            "end_percent": decimal(1.0, 0.0, 1.0, step=0.001),
        },
        ("CONDITIONING", "CONDITIONING"),
        ("positive", "negative"),
        optional={"vae": link("VAE")},
        display_name="Apply ControlNet",
        category="conditioning/controlnet",
    ),
    "UpscaleModelLoader": Node(
        _load_named,
        {"model_name": Input(folder="upscale_models")},
        ("UPSCALE_MODEL",),
        display_name="Load Upscale Model",
        category="loaders",
        module="comfy_extras.nodes_upscale_model",
        is_modern=True,
    ),
    "ImageUpscaleWithModel": Node(
        _enlarge,
        {"upscale_model": link("UPSCALE_MODEL"), "image": link("IMAGE")},
        ("IMAGE",),
        display_name="Upscale Image (using Model)",
        category="image/upscaling",
        module="comfy_extras.nodes_upscale_model",
        is_modern=True,
    ),
}
