"""The starter's picture classifier as an ONNX graph without weights. It ships, and no start has to export it.

`python -m services.encoder.backends.starter_graph` makes it anew beside this module; that alone needs the package
`onnx`. The weights are in a package of their own, `starter_layers.fold` prepares them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from services.common.media.preprocessing import STARTER
from services.encoder.backends.starter_layers import CLASSES, FEATURES, Block, Convolution, blocks
from services.encoder.backends.starter_onnx import GRAPH

_OPSET = 17
_IR_VERSION = 8
"""Of 2022, so that any ONNX Runtime that is in use reads it."""


def build() -> ModelProto:
    """Make the graph: pixels, uint8 [n, 3, side, side], to features [n, 1280] and logits [n, 1000], float32."""
    side_px = STARTER.side_px
    graph = helper.make_graph(
        list(_nodes()),
        "efficientnet-lite0",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 3, side_px, side_px])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", FEATURES]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES]),
        ],
        [*_constants(), *_weights()],
    )
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="imagerag")


def _nodes() -> Iterator[NodeProto]:
    yield helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT)
    yield helper.make_node("Sub", ["cast", "mean"], ["centred"])
    yield helper.make_node("Div", ["centred", "std"], ["normal"])
    last = "normal"
    for block in blocks():
        *nodes, end = _block_nodes(block, last)
        yield from (*nodes, end)
        last = end.output[0]
    yield helper.make_node("GlobalAveragePool", [last], ["pooled"])
    yield helper.make_node("Flatten", ["pooled"], ["features"])
    yield helper.make_node("Gemm", ["features", "_fc.weight", "_fc.bias"], ["logits"], transB=1)


def _block_nodes(block: Block, source: str) -> Iterator[NodeProto]:
    last = source
    for convolution in block.convolutions:
        yield _convolution(convolution, last)
        last = convolution.name
        if convolution.activated:
            yield helper.make_node("Clip", [last, "zero", "six"], [f"{last}.relu6"])
            last = f"{last}.relu6"
    if block.adds:
        yield helper.make_node("Add", [last, source], [f"{last}.sum"])


def _convolution(convolution: Convolution, source: str) -> NodeProto:
    name = convolution.name
    return helper.make_node(
        "Conv",
        [source, f"{name}.weight", f"{name}.bias"],
        [name],
        kernel_shape=[convolution.kernel] * 2,
        strides=[convolution.stride] * 2,
        group=convolution.inward if convolution.depthwise else 1,
        # As TensorFlow pads, where the weights are from: an odd pixel goes to the end.
        auto_pad="SAME_UPPER",
    )


def _constants() -> Iterator[TensorProto]:
    for name, value in (("mean", STARTER.mean[0]), ("std", STARTER.std[0]), ("zero", 0.0), ("six", 6.0)):
        yield numpy_helper.from_array(np.array(value, np.float32), name)


def _weights() -> Iterator[TensorProto]:
    """Names and shapes; the bytes are said to be elsewhere."""
    for block in blocks():
        for convolution in block.convolutions:
            yield _absent(f"{convolution.name}.weight", convolution.shape)
            yield _absent(f"{convolution.name}.bias", (convolution.outward,))
    yield _absent("_fc.weight", (CLASSES, FEATURES))
    yield _absent("_fc.bias", (CLASSES,))


def _absent(name: str, shape: tuple[int, ...]) -> TensorProto:
    tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="given-at-the-start")
    return tensor


if __name__ == "__main__":
    GRAPH.write_bytes(build().SerializeToString(deterministic=True))
