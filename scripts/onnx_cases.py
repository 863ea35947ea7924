"""Writes the node tests of Python's onnx as folders of a model, inputs and outputs: scripts/onnx_cases.py FOLDER."""

import pathlib
import shutil
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


def proto(value, name):
    return value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value), name)


def main(root):
    written = 0
    for case in collect_testcases(None):
        folder = root / case.name
        try:
            for number, (inputs, outputs) in enumerate(case.data_sets):
                data = folder / f"test_data_set_{number}"
                data.mkdir(parents=True)
                for kind, arrays, infos in [("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)]:
                    for at, (array, info) in enumerate(zip(arrays, infos)):
                        (data / f"{kind}_{at}.pb").write_bytes(proto(array, info.name).SerializeToString())
            (folder / "model.onnx").write_bytes(case.model.SerializeToString())
            written += 1
        except (AttributeError, NotImplementedError, TypeError, ValueError):
            # Sequences and optional values are no tensors.
            shutil.rmtree(folder, ignore_errors=True)
    print(f"onnx {onnx.__version__}: {written} node tests in {root}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
