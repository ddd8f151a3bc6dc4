"""The number format of the convolutions, in training and evaluation."""

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which convolutions use `precision`. auto is bfloat16 where it is faster than float32."""
    if precision == "auto":
        precision = "bfloat16" if is_bfloat16_faster(device) else "float32"
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def is_bfloat16_faster(device: torch.device) -> bool:
    """Whether the device computes products in bfloat16 faster than in float32, judged by its instructions."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.cpu.get_capabilities()
    # Intel's vector instructions reach half the rate of float32 in bfloat16. Its matrix unit (AMX) is faster.
    vectors = cpu.get("avx512_bf16", False) and not cpu.get("cpu_name", "").startswith("Intel")
    return bool(cpu.get("amx_bf16", False) or vectors)
