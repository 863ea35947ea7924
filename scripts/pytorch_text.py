"""PyTorch's validation loss for `wgrad text`: the same network, text, windows, optimizer, clipping and steps.

Usage: pip install torch numpy && python scripts/pytorch_text.py TEXT [--steps 1000 ...]
"""

import argparse
import pathlib
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("text", type=pathlib.Path)
parser.add_argument("--cell", default="lstm")
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--window", type=int, default=64)
parser.add_argument("--embedding", type=int, default=64)
parser.add_argument("--hidden", type=int, default=128)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--lr", type=float, default=4e-3)
parser.add_argument("--max-norm", type=float, default=1.0)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)

text = args.text.read_text()
vocabulary = sorted(set(text))
numbers = torch.tensor([vocabulary.index(c) for c in text])
cut = len(numbers) - len(numbers) // 10


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[args.cell]
        self.embedding = torch.nn.Embedding(len(vocabulary), args.embedding)
        self.rnn = layer(args.embedding, args.hidden, args.layers)
        self.head = torch.nn.Linear(args.hidden, len(vocabulary))

    def forward(self, tokens, state):
        output, state = self.rnn(self.embedding(tokens), state)
        return self.head(output), state


def windows(numbers):
    count = (len(numbers) - 1) // args.batch_size // args.window
    length = count * args.window
    starts = torch.arange(args.batch_size) * length
    for w in range(count):
        places = starts[None] + w * args.window + torch.arange(args.window)[:, None]
        yield numbers[places], numbers[places + 1]


def loss(model, tokens, targets, state):
    logits, state = model(tokens, state)
    state = tuple(s.detach() for s in state) if args.cell == "lstm" else state.detach()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), state


model = Model()
optimizer = torch.optim.Adam(model.parameters(), args.lr)
began, step = time.time(), 0
while step < args.steps:
    state = None
    for tokens, targets in windows(numbers[:cut]):
        optimizer.zero_grad()
        value, state = loss(model, tokens, targets, state)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.max_norm)
        optimizer.step()
        step += 1
        if step == args.steps:
            break
with torch.no_grad():
    state, values = None, []
    for tokens, targets in windows(numbers[cut:]):
        value, state = loss(model, tokens, targets, state)
        values.append(value.item())
print(f"{step} steps, validation loss {sum(values) / len(values):.4f}, {time.time() - began:.0f} s")
