"""State dicts: reading them safely and putting them into a module."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchbench.errors import MissingDependency, ModelError

_SHOWN = 5


def read_state(path: Path, *, allow_pickle: bool = False) -> Mapping[str, Any]:
    """Return the state dict in *path* (``.safetensors``, or a torch file).

    A torch file is read with ``weights_only=True`` unless *allow_pickle*: a pickle can run any
    code. A dict nested under ``state_dict`` or ``model`` is unwrapped. Raises ModelError.
    """
    if not path.is_file():
        raise ModelError(
            f"{path}: no such weights file",
            hint="check the path; a relative path counts from the current folder",
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _unwrap(path, _read_torch(path, allow_pickle=allow_pickle))


def apply_state(module: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load *state* into *module*; raise ModelError listing keys or shapes that do not fit."""
    try:
        faults = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(
            f"{path}: the weights do not fit: {_last_line(error)}",
            hint="check the factory's arguments, e.g. the number of classes",
        ) from error
    wrong = {"missing": faults.missing_keys, "unexpected": faults.unexpected_keys}
    told = [f"{name} {_some(keys)}" for name, keys in wrong.items() if keys]
    if told:
        raise ModelError(
            f"{path}: the weights do not fit the module: {'; '.join(told)}",
            hint="the weights belong to another architecture or version",
        )


def seeded(make: Callable[[], Any], seed: int) -> Any:
    """Return what *make* returns with torch's generator at *seed*, which is restored after."""
    try:
        import torch
    except ImportError as error:
        raise MissingDependency("torch", "torch") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependency("safetensors", "torch") from error
    try:
        state: Mapping[str, Any] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error
    return state


def _read_torch(path: Path, *, allow_pickle: bool) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingDependency("torch", "torch") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=not allow_pickle)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: not a plain state dict: {_last_line(error)}",
            hint="save module.state_dict(), or set 'allow_pickle: true' if you trust the file: "
            "loading it can run any code",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error


def _unwrap(path: Path, loaded: Any) -> Mapping[str, Any]:
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and key in loaded:
            loaded = loaded[key]
    if hasattr(loaded, "state_dict"):
        loaded = loaded.state_dict()
    if not isinstance(loaded, Mapping):
        raise ModelError(
            f"{path}: holds a {type(loaded).__name__}, not a state dict",
            hint="save module.state_dict()",
        )
    return loaded


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path}: the weights cannot be read: {_last_line(error)}",
        hint="the file may be truncated or of another kind; download it again",
    )


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
