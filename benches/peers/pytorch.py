#!/usr/bin/env python3
"""Measures with PyTorch what a result file of `wgrad bench ops` or `wgrad bench train` measured, on this machine's CUDA device
or on its CPU.

    benches/peers/pytorch.py RESULT.json .. [--device cpu] [--out PEER.json] [--time SECONDS]

On a CPU a case runs again and again and the host's clock measures. On a CUDA device every case runs twice: with TF32 off, which is wgrad's arithmetic, and with TF32 on (products of tensor cores whose
operands have 10 bits). Left out is what PyTorch has no function for, such as a recurrent layer without the product of its
inputs. As in `wgrad bench`, a case is repeated on the same buffers, captured in a CUDA graph so that the
host's launches do not count, and the device's clock measures; the number is the median of its samples. The table
shows wgrad's median beside both, and their ratio: above 1, PyTorch is faster.
"""

import argparse
import json
import math
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as F

DEVICE = "cuda"
# Element-wise functions that PyTorch has under another name, or that take numbers without defaults: those of wgrad's cases.
FUNCTIONS = {
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "log_sigmoid": F.logsigmoid,
    "scale": lambda x: x * -0.5,
    "add_scalar": lambda x: x + 1.5,
    "pow_scalar": lambda x: x**1.5,
    "clamp": lambda x: torch.clamp(x, -0.75, 0.75),
    "clamp_min": lambda x: torch.clamp(x, min=-0.75),
    "clamp_max": lambda x: torch.clamp(x, max=0.75),
    "threshold": lambda x: F.threshold(x, 0.5, 2.0),
    "div_floor": lambda a, b: torch.div(a, b, rounding_mode="floor"),
    "div_trunc": lambda a, b: torch.div(a, b, rounding_mode="trunc"),
    "clamp_tensor": torch.clamp,
}
OPERANDS = {"lerp": 3, "clamp_tensor": 3, "addcmul": 3} | dict.fromkeys(
    "add sub mul div div_floor div_trunc remainder fmod pow maximum minimum atan2 eq ne lt le gt ge logical_and logical_or"
    " logical_xor".split(),
    2,
)


def letters(shape):
    """`n8c1h28` as a dictionary."""
    return {key: int(value) for key, value in re.findall(r"([a-z]+)(\d+)", shape)}


def real(*shape):
    return torch.randn(*shape, device=DEVICE)


def passes(forward, operands, wanted):
    """What computes a pass: of the forward pass, or the gradient of one operand alone."""
    if wanted == "fwd":
        def run():
            with torch.no_grad():
                return forward(*operands)
        return run
    index = {"dgrad": 0, "wgrad": 1, "bgrad": 2}[wanted]
    if index >= len(operands):
        return None
    leaves = [x.detach().requires_grad_(i == index) for i, x in enumerate(operands)]
    output = forward(*leaves)
    error = torch.randn_like(output)
    return lambda: torch.autograd.grad(output, leaves[index], error, retain_graph=True)


def case(op, shape, wanted):
    """A function that computes a case's pass; None where PyTorch has none of its own."""
    s = letters(shape)
    if op == "conv2d":
        g = s.get("g", 1)
        operands = [real(s["n"], s["c"], s["h"], s["w"]), real(s["k"], s["c"] // g, s["r"], s["s"])]
        if s.get("b"):
            operands.append(real(s["k"]))
        u, p, d = s.get("u", 1), s.get("p", 0), s.get("d", 1)
        stride, padding, dilation = (u, s.get("uw", u)), (p, s.get("pw", p)), (d, s.get("dw", d))
        convolution = lambda x, w, b=None: F.conv2d(x, w, b, stride, padding, dilation, g)
        return passes(convolution, operands, wanted)
    if op == "matmul":
        m, n, k = s["m"], s["n"], s["k"]
        z = [s["z"]] if "z" in s else []
        a = real(*z, *((k, m) if s.get("ta") else (m, k)))
        b = real(*z, *((n, k) if s.get("tb") else (k, n)))
        ta, tb = (lambda x: x.mT) if s.get("ta") else (lambda x: x), (lambda x: x.mT) if s.get("tb") else (lambda x: x)
        if s.get("b"):
            if z:
                return passes(lambda x, y, c: torch.baddbmm(c, ta(x), tb(y)), [a, b, real(n)], wanted)
            return passes(lambda x, y, c: torch.addmm(c, ta(x), tb(y)), [a, b, real(n)], wanted)
        return passes(lambda x, y: ta(x) @ tb(y), [a, b], wanted)
    if op in ("max_pool2d", "avg_pool2d"):
        u, p = s.get("u", s["r"]), s.get("p", 0)
        stride, padding = (u, s.get("uw", s.get("u", s["s"]))), (p, s.get("pw", p))
        pool = F.max_pool2d if op == "max_pool2d" else F.avg_pool2d
        return passes(lambda x: pool(x, (s["r"], s["s"]), stride, padding), [real(s["n"], s["c"], s["h"], s["w"])], wanted)
    if set(s) == {"e"} and (op in FUNCTIONS or hasattr(F, op) or hasattr(torch, op)):
        function = FUNCTIONS.get(op) or getattr(F, op, None) or getattr(torch, op)
        return passes(function, [real(s["e"]) for _ in range(OPERANDS.get(op, 1))], wanted)
    if op == "sum" and wanted == "fwd":
        return passes(lambda x: x.sum((0, 2, 3)), [real(s["n"], s["c"], s["h"], s["w"])], wanted)
    if op in ("softmax", "log_softmax"):
        return passes(lambda x: getattr(F, op)(x, -1), [real(s["n"], s["c"])], wanted)
    if op == "argmax" and wanted == "fwd":
        return passes(lambda x: x.argmax(-1), [real(s["n"], s["c"])], wanted)
    if op == "cross_entropy":
        target = torch.randint(0, s["c"], (s["n"],), device=DEVICE)
        return passes(lambda x: F.cross_entropy(x, target), [real(s["n"], s["c"])], wanted)
    return None


class SimpleCnn(torch.nn.Sequential):
    def __init__(self):
        n = torch.nn
        super().__init__(
            n.Conv2d(1, 32, 3, padding=1), n.ReLU(), n.MaxPool2d(2),
            n.Conv2d(32, 64, 3, padding=1), n.ReLU(), n.MaxPool2d(2),
            n.Flatten(), n.Linear(3136, 128), n.ReLU(), n.Linear(128, 10),
        )


class Rows(torch.nn.Module):
    """A recurrent layer over the rows of an image, the last of its states classified."""

    def __init__(self, kind):
        super().__init__()
        self.layer, self.classify = kind(28, 128), torch.nn.Linear(128, 10)

    def forward(self, x):
        return self.classify(self.layer(x.squeeze(1).transpose(0, 1).contiguous())[0][-1])


MODELS = {
    "simple-cnn": (SimpleCnn, (1, 28, 28)),
    "mlp": (
        lambda: torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
        ),
        (1, 28, 28),
    ),
    "lstm-rows": (lambda: Rows(torch.nn.LSTM), (1, 28, 28)),
    "gru-rows": (lambda: Rows(torch.nn.GRU), (1, 28, 28)),
}


def vision(name):
    """torchvision's network of this name; None where there is none, or no torchvision."""
    try:
        from torchvision import models
    except ImportError:
        return None
    return getattr(models, name.replace("-", "_"), None)


def step(name, batch):
    """A training step with SGD with momentum; None for a model that is not written here."""
    if name in MODELS:
        build, image = MODELS[name]
    elif known := vision(name):
        build, image = (lambda: known(num_classes=10)), (3, 64, 64)
    else:
        return None
    model = build().to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=DEVICE == "cuda")
    x, target = real(batch, *image), torch.randint(0, 10, (batch,), device=DEVICE)

    def run():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), target).backward()
        optimizer.step()

    return run


def measure(run, seconds, stream):
    """Medians of a run in seconds: the device's, of graph replays, and that of runs one by one."""
    for _ in range(3):
        run()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def timed(call):
        begin.record()
        call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    eager = statistics.median(timed(run) for _ in range(5))
    repeats = max(1, min(200, math.ceil(1e-3 / max(eager, 1e-6))))
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(repeats):
            run()
    graph.replay()
    torch.cuda.synchronize()
    samples, spent = [], 0.0
    while len(samples) < 10 or spent < seconds and len(samples) < 200:
        samples.append(timed(graph.replay))
        spent += samples[-1]
    return {"device": statistics.median(samples) / repeats, "eager": eager, "n": len(samples), "repeats": repeats}


def measure_on_cpu(run, seconds):
    """The median of a run in seconds, one by one."""
    for _ in range(3):
        run()
    samples, spent = [], 0.0
    while len(samples) < 10 or spent < seconds and len(samples) < 200:
        begin = time.perf_counter()
        run()
        samples.append(time.perf_counter() - begin)
        spent += samples[-1]
    return {"device": statistics.median(samples), "n": len(samples)}


def both(build, seconds):
    """Without TF32 and with it, which a CPU has not; an error in words where PyTorch refuses."""
    found = {}
    if DEVICE == "cpu":
        run = build()
        return run and {"f32": measure_on_cpu(run, seconds)}
    for name, allowed in (("f32", False), ("tf32", True)):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
        # A backward pass runs on the stream of its forward pass, which must be the one that is captured.
        stream = torch.cuda.Stream()
        try:
            with torch.cuda.stream(stream):
                run = build()
                if run is None:
                    return None
                found[name] = measure(run, seconds, stream)
        except (RuntimeError, ValueError, TypeError) as error:
            torch.cuda.synchronize()
            found[name] = {"error": str(error).splitlines()[0]}
    return found


def show(seconds):
    if seconds is None:
        return "-"
    scale, unit = next((s, u) for s, u in ((1, "s"), (1e-3, "ms"), (1e-6, "us")) if seconds >= s or u == "us")
    return f"{seconds / scale:.3g} {unit}"


def compare(row, seen, seconds):
    """A row of a result file and what PyTorch takes for it; None where it has no such function."""
    op, wanted, shape = row["op"] or row["layer"], row["pass"], row["shape"]
    key = (op, wanted, shape)
    if key not in seen:
        if wanted == "step":
            seen[key] = both(lambda: step(op, letters(shape)["n"]), seconds)
        else:
            seen[key] = both(lambda: case(op, shape, wanted), seconds)
    if seen[key] is None:
        return None
    ours = statistics.median(row["timing"]["samples"])
    theirs = [seen[key].get(name, {}).get("device") for name in ("f32", "tf32")]
    ratios = ["-" if t is None else f"{ours / t:.2f}" for t in theirs]
    times = [show(t) for t in (ours, *theirs)]
    print(f"{op:<14}{wanted:<7}{shape:<36}", *(f"{text:>9}" for text in times + ratios), flush=True)
    return {"set": row["set"], "op": op, "pass": wanted, "shape": shape, "wgrad": ours, "pytorch": seen[key]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("results", nargs="+", metavar="RESULT.json")
    parser.add_argument("--out", metavar="PEER.json")
    parser.add_argument("--time", type=float, default=0.05, help="seconds a case is measured")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    arguments = parser.parse_args()
    global DEVICE
    DEVICE = arguments.device
    torch.backends.cudnn.benchmark = True
    rows, seen = [], {}
    print(f"{'op':<14}{'pass':<7}{'shape':<36}", *(f"{text:>9}" for text in ("wgrad", "f32", "TF32", "/ f32", "/ TF32")))
    for path in arguments.results:
        with open(path) as file:
            result = json.load(file)
        measured = [row for row in result["rows"] if row["status"] == "ok" and not row["requested"]]
        rows += filter(None, (compare(row, seen, arguments.time) for row in measured))
    for name in ("f32", "tf32"):
        known = [row["wgrad"] / row["pytorch"][name]["device"] for row in rows if "device" in row["pytorch"].get(name, {})]
        if known:
            mean = math.exp(statistics.fmean(map(math.log, known)))
            print(f"{len(known)} cases; wgrad takes {mean:.2f} times as long as PyTorch with {name} in the geometric mean")
    if arguments.out:
        environment = {"pytorch": torch.__version__}
        if DEVICE == "cuda":
            environment |= {"cuda": torch.version.cuda, "device": torch.cuda.get_device_name()}
        else:
            environment |= {"device": "cpu", "threads": torch.get_num_threads()}
        with open(arguments.out, "w") as file:
            json.dump({"schema": "wgrad-peer", "version": 1, "environment": environment, "rows": rows}, file, indent=1)
        print(f"wrote {arguments.out}")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
