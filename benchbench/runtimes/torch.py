"""PyTorch: eager, or compiled by its inductor; on CPUs and NVIDIA GPUs."""

from __future__ import annotations

import importlib.metadata
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from typing import Any, ClassVar, Literal

from benchbench import cuda
from benchbench.errors import MissingDependency, ModelError, PlacementError
from benchbench.files import NOT_TORCH, plain_tensors_only
from benchbench.protocols import Packages
from benchbench.runtimes import torch_compile, torch_cuda
from benchbench.runtimes.contract import check_device, unreadable
from benchbench.runtimes.torch_session import FLOATS, REFUSING, Session, refused
from benchbench.types import Finding, ModelFile, Precision, Record, Request, Variant

_EAGER = ("torch-module", "torchscript", "pt2")
_COMPILED = ("torch-module", "pt2")
_CPU: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
_CUDA: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16")


class Torch(Record):
    """Runs torch modules, TorchScript and exported programs, without autograd or autocast."""

    packages: ClassVar[Packages] = (("torch",),)
    extra: ClassVar[str] = "torch"

    mode: Literal["eager", "compile"] = "eager"
    """``compile``: inductor makes one program of the module, with its weights folded in."""
    channels_last: bool = True
    """Keep images and weights as NHWC in memory: as fast or faster on CPUs, twice in bf16."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return the torch formats at fp32 (cast when opened); for int8, quantized programs.

        Raises PlacementError for int8 in eager mode, which would compute in float.
        """
        if precision == "int8" and device == "cpu":
            return self._quantized()
        if precision not in (_CPU if device == "cpu" else _CUDA):
            return ()
        names = _EAGER if self.mode == "eager" else _COMPILED
        return tuple(Variant(format=name) for name in names)

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu`` and the names of NVIDIA GPUs."""
        return ("cpu", "cuda", "cuda:*")

    def absent(self, device: str) -> str | None:
        """Return why *device* cannot be used: a CPU build of torch, no driver, no such GPU."""
        return None if device == "cpu" else torch_cuda.absent(device)

    def checkup(self) -> Sequence[Finding]:
        """Tell torch's version and build, and what compiling, int8 and a GPU lack."""
        try:
            import torch
        except (ImportError, OSError) as error:
            hint = MissingDependency("torch", "torch").hint
            return (Finding(level="error", message=f"torch: {error}", hint=hint),)
        made = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU build"
        said = f"torch {torch.__version__}, {made}"
        return (Finding(level="ok", message=said), *_gpu(torch), *_compiling(), *_quantizing())

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[Session]:
        """Load (and compile) *model*; raise ModelError if that fails, or it refuses the input."""
        try:
            import torch
        except ImportError as error:
            raise MissingDependency("torch", "torch") from error
        self._check(request.device)
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(request.threads)
            # Torch admits this once a process; a later session keeps what the first one set.
            with suppress(RuntimeError):
                torch.set_num_interop_threads(1)
            stack.enter_context(torch.inference_mode())
            module = _prepared(_loaded(model, request), model, request, self.channels_last)
            # After loading: a model's own code may set it.
            stack.enter_context(torch_cuda.exact_products(tf32=request.precision == "tf32"))
            if self.mode == "compile":
                # What is compiled counts against a limit of the process, and then runs eagerly.
                stack.callback(torch.compiler.reset)
            yield self._session(module, model, request)

    def _session(self, module: Any, model: ModelFile, request: Request) -> Session:
        kind = Session if request.device == "cpu" else torch_cuda.CudaSession
        if self.mode == "eager":
            session = kind(
                module, request, channels_last=self.channels_last, watched=lambda mode: mode
            )
            session.try_out(model)
            return session
        with torch_compile.compiler(request):
            made = torch_compile.Compiled(module)
            session = kind(
                made.module, request, channels_last=self.channels_last, watched=made.watched
            )
            session.try_out(model)
        if not made.graphs:
            raise ModelError(
                f"{model.path or model.variant}: torch.compile found nothing in it to compile",
                hint="use 'mode: eager'",
            )
        session.details["compiled"] = f"inductor, weights folded in, {made.graphs} graphs"
        return session

    def _quantized(self) -> Sequence[Variant]:
        if self.mode == "eager":
            raise PlacementError(
                "torch computes a quantized program in float unless it is compiled",
                hint="give the runtime 'mode: compile'",
            )
        made = Variant(format="pt2", precision="int8", target="cpu")
        return (made, made.model_copy(update={"target": ""}))

    def _check(self, device: str) -> None:
        if not any(fnmatch(device, one) for one in self.known_devices()):
            check_device("torch", device, self.known_devices())
        if reason := self.absent(device):
            raise PlacementError(
                f"torch cannot use {device}: {reason}",
                hint="'benchbench doctor' tells more; 'device: cpu' runs here",
            )


def _loaded(model: ModelFile, request: Request) -> Any:
    import torch

    if model.load:
        return model.load()
    path = str(model.path)
    if model.variant.precision == "int8":
        # A quantized program names operations that must be known before it is read.
        torch_compile.fuse_quantized()
    try:
        if model.variant.format != "torchscript":
            return _program(path, request.device)
        with warnings.catch_warnings():
            # That TorchScript is deprecated is not news to who benchmarks a TorchScript file.
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(path, map_location="cpu").eval()
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: holds pickled objects, and loading them can run any code",
            hint="export the model without custom objects among its inputs and constants",
        ) from error
    except NOT_TORCH as error:
        raise unreadable(model, "torch", error) from error


def _program(path: str, device: str) -> Any:
    import torch

    with plain_tensors_only():
        program = torch.export.load(path)
    if device != "cpu":
        from torch.export.passes import move_to_device_pass

        # Also the devices that its graph names, which Module.to does not reach.
        program = move_to_device_pass(program, device)
    return program.module()


def _prepared(module: Any, model: ModelFile, request: Request, channels_last: bool) -> Any:
    import torch

    try:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        if floats := FLOATS.get(request.precision):
            module = module.to(getattr(torch, floats))
        if request.device != "cpu":
            module = module.to(request.device)
        if channels_last and len(request.input.shape) == 4:
            module = module.to(memory_format=torch.channels_last)
    except REFUSING as error:
        raise refused(model, request, error) from error
    return module


def _gpu(torch: Any) -> Iterator[Finding]:
    reason = torch_cuda.absent("cuda")
    if reason and torch.version.cuda is None and cuda.absent("cuda") is None:
        hint = "install the build for your CUDA: https://pytorch.org/get-started/locally"
        yield Finding(level="warning", message=f"a GPU is here, but {reason}", hint=hint)
    elif reason:
        yield Finding(level="ok", message=f"runs on the CPU only: {reason}")
    elif not torch.cuda.is_available():
        yield Finding(
            level="error",
            message=f"torch is built for CUDA {torch.version.cuda}, "
            f"the driver supports up to {cuda.driver_version()}, and torch finds no GPU",
            hint="update the NVIDIA driver, or install a torch built for an older CUDA",
        )
    else:
        names = [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
        yield Finding(level="ok", message=f"GPUs: {', '.join(names)}")


def _compiling() -> Iterator[Finding]:
    found = torch_compile.cxx()
    if found:
        yield Finding(level="ok", message=f"'mode: compile' uses {found}")
    else:
        hint = "install one (on Debian: apt-get install g++), or name it in CXX"
        yield Finding(level="warning", message="'mode: compile' lacks a C++ compiler", hint=hint)


def _quantizing() -> Iterator[Finding]:
    try:
        version = importlib.metadata.version("torchao")
    except importlib.metadata.PackageNotFoundError:
        hint = MissingDependency("torchao", "torchao").hint
        yield Finding(level="warning", message="int8 needs torchao", hint=hint)
    else:
        yield Finding(level="ok", message=f"int8 through torchao {version}")
