"""PyTorch's test accuracy for `wgrad train --model lstm-rows` and `gru-rows`: the same network, data, settings.

Usage: pip install torch numpy && python scripts/pytorch_rows.py FOLDER_WITH_IDX_FILES [--batch-size 32 --lr 2e-3 --epochs 3]
"""

import argparse
import gzip
import pathlib

import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--lr", type=float, default=2e-3)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def idx(name, offset):
    return np.frombuffer(gzip.open(args.folder / f"{name}.gz").read(), np.uint8, offset=offset)


def images(name):
    pixels = idx(f"{name}-images-idx3-ubyte", 16).reshape(-1, 28, 28).astype(np.float32)
    return torch.tensor((pixels / 255 - 0.1307) / 0.3081), torch.tensor(idx(f"{name}-labels-idx1-ubyte", 8).astype(np.int64))


class Rows(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.rows = layer(28, 128, batch_first=True)
        self.classifier = torch.nn.Linear(128, 10)

    def forward(self, x):
        return self.classifier(self.rows(x)[0][:, -1])


(train, labels), (test, wanted) = images("train"), images("t10k")
for layer in [torch.nn.LSTM, torch.nn.GRU]:
    torch.manual_seed(args.seed)
    net = Rows(layer)
    optimizer = torch.optim.Adam(net.parameters(), args.lr)
    for epoch in range(1, args.epochs + 1):
        for part in torch.randperm(len(train)).split(args.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(train[part]), labels[part]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (net(test).argmax(1) == wanted).float().mean().item()
        print(f"{layer.__name__} epoch {epoch}: test accuracy {100 * accuracy:.2f} %", flush=True)
