//! Convolutions and transposed ones, of images and of lines.

use super::context::Exporter;
use super::lines::LineForm;
use super::writer::{Name, int, ints};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::onnx::proto::AttributeProto;
use crate::ops::{Conv2d, Conv2dBackwardInput, Op};
use crate::shape::Padding;

/// The last of two numbers, along height and width, for lines; both for images.
pub(super) fn along<T: Copy>(lines: bool, [h, w]: [T; 2]) -> Vec<T> {
    if lines { vec![w] } else { vec![h, w] }
}

/// What is added in front along each dimension, then behind.
pub(super) fn pads(lines: bool, padding: &Padding) -> AttributeProto {
    let front = along(lines, [padding.top, padding.left]);
    ints("pads", [front, along(lines, [padding.bottom, padding.right])].concat())
}

fn attributes(lines: bool, options: &Conv2d, kernel: [usize; 2]) -> Vec<AttributeProto> {
    let Conv2d { stride, padding, dilation, groups } = options;
    vec![
        ints("kernel_shape", along(lines, kernel)),
        ints("strides", along(lines, [stride.h, stride.w])),
        pads(lines, padding),
        ints("dilations", along(lines, [dilation.h, dilation.w])),
        int("group", *groups as i64),
    ]
}

impl Exporter<'_> {
    /// A convolution of images.
    pub(super) fn conv(&mut self, node: &Node, op: &Conv2d) -> Result<Name> {
        self.conv_of(op, false, node.inputs[0], node.inputs[1], node.inputs.get(2).copied())
    }

    /// A transposed convolution of images, without a bias.
    pub(super) fn conv_transpose(&mut self, node: &Node, op: &Conv2dBackwardInput) -> Result<Name> {
        self.conv_transpose_of(op, false, node.inputs[0], node.inputs[1], None)
    }

    /// An op of lines.
    pub(super) fn line(&mut self, form: &LineForm) -> Result<Name> {
        let inner = &self.data.nodes[form.of];
        let weight = form.weight.unwrap_or(form.input);
        match &inner.op {
            Op::Conv2d(op) => self.conv_of(op, true, form.input, weight, form.bias),
            Op::Conv2dBackwardInput(op) => self.conv_transpose_of(op, true, form.input, weight, form.bias),
            Op::MaxPool2d(op) => {
                let lines = self.name(form.input)?;
                Ok(self.max_pool_of(inner, op, true, &lines, false).remove(0))
            }
            // No other op has such a form.
            op => Err(super::context::refused(inner, "an op of lines", op.name())),
        }
    }

    fn conv_of(
        &mut self,
        op: &Conv2d,
        lines: bool,
        input: ValueId,
        weight: ValueId,
        bias: Option<ValueId>,
    ) -> Result<Name> {
        let attributes = attributes(lines, op, self.kernel(weight));
        let inputs = self.operands(input, weight, bias)?;
        Ok(self.to.node("Conv", &[&inputs[0], &inputs[1], &inputs[2]], attributes))
    }

    /// The last two sizes of a weight; lines have a height of 1.
    fn kernel(&self, weight: ValueId) -> [usize; 2] {
        match self.shape(weight)[..] {
            [_, _, h, w] => [h, w],
            [_, _, w] => [1, w],
            _ => [1, 1],
        }
    }

    fn operands(&self, input: ValueId, weight: ValueId, bias: Option<ValueId>) -> Result<[Name; 3]> {
        let bias = bias.map_or_else(|| Ok(Name::new()), |bias| self.name(bias))?;
        Ok([self.name(input)?, self.name(weight)?, bias])
    }

    /// With the output padding that makes the output as large as it is.
    pub(super) fn conv_transpose_of(
        &mut self,
        op: &Conv2dBackwardInput,
        lines: bool,
        input: ValueId,
        weight: ValueId,
        bias: Option<ValueId>,
    ) -> Result<Name> {
        let (kernel, from) = (self.kernel(weight), self.shape(input).to_vec());
        let Conv2d { stride, padding: p, dilation, .. } = op.options;
        let more = |size: usize, steps: usize, stride: usize, extent: usize, cut: usize| {
            (size + cut).saturating_sub((steps.max(1) - 1) * stride + extent)
        };
        let (steps_h, steps_w) = if lines { (1, from[2]) } else { (from[2], from[3]) };
        let output_padding = [
            more(op.input[2], steps_h, stride.h, dilation.h * (kernel[0] - 1) + 1, p.top + p.bottom),
            more(op.input[3], steps_w, stride.w, dilation.w * (kernel[1] - 1) + 1, p.left + p.right),
        ];
        let mut attributes = attributes(lines, &op.options, kernel);
        attributes.push(ints("output_padding", along(lines, output_padding)));
        let inputs = self.operands(input, weight, bias)?;
        Ok(self.to.node("ConvTranspose", &[&inputs[0], &inputs[1], &inputs[2]], attributes))
    }
}
