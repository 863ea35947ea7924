//! Products.

use super::Value;
use super::node::Node;
use crate::error::Result;
use crate::graph::Tensor;
use crate::shape::Shape;

/// As NumPy's matmul: vectors are matrices of one row or column, leading dimensions broadcast.
pub(super) fn matmul(node: &Node<'_>) -> Result<Vec<Value>> {
    let (a, b) = (node.weight(0)?, node.weight(1)?);
    node.gives(product(node, &a, &b)?)
}

pub(super) fn product(node: &Node<'_>, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (of_a, of_b) = (a.shape(), b.shape());
    node.check(!of_a.is_empty() && !of_b.is_empty(), "at least one dimension", format!("{of_a} and {of_b}"))?;
    let wide_a = if of_a.len() == 1 { a.unsqueeze(0)? } else { a.clone() };
    let wide_b = if of_b.len() == 1 { b.unsqueeze(1)? } else { b.clone() };
    let (of_a, of_b) = (wide_a.shape(), wide_b.shape());
    let y = if of_b.len() == 2 {
        // All rows are one matrix.
        let (lead, [.., k]) = (&of_a[..of_a.len() - 1], &of_a[..]) else {
            return Err(node.fail("a matrix", of_a.to_string()));
        };
        let rows = wide_a.reshape([lead.iter().product(), *k])?.matmul(&wide_b)?;
        rows.reshape([lead, &of_b[1..]].concat())?
    } else {
        let lead = |shape: &Shape| Shape::from(&shape[..shape.len() - 2]);
        let whole = lead(&of_a).broadcast(&lead(&of_b)).map_err(node.refuse())?;
        let stack = |t: &Tensor| {
            let shape = t.shape();
            let last = &shape[shape.len() - 2..];
            let full = t.broadcast_to([&whole[..], last].concat())?;
            full.reshape([&[whole.elements()], last].concat())
        };
        let y = stack(&wide_a)?.bmm(&stack(&wide_b)?)?;
        y.reshape([&whole[..], &[of_a[of_a.len() - 2], of_b[of_b.len() - 1]]].concat())?
    };
    let mut shape = y.shape().to_vec();
    if b.shape().len() == 1 {
        shape.pop();
    }
    if a.shape().len() == 1 {
        let at = shape.len() - if b.shape().len() == 1 { 1 } else { 2 };
        shape.remove(at);
    }
    y.reshape(shape)
}

pub(super) fn gemm(node: &Node<'_>) -> Result<Vec<Value>> {
    let (a, b) = (node.tensor(0)?, node.weight(1)?);
    let (alpha, beta) = (node.float_or("alpha", 1.0)?, node.float_or("beta", 1.0)?);
    let matrices = a.shape().len() == 2 && b.shape().len() == 2;
    node.check(matrices, "two matrices", format!("{} and {}", a.shape(), b.shape()))?;
    let a = if node.flag("transA", false)? { a.transpose(0, 1)? } else { a };
    let c = node.optional_weight(2)?;
    let transposed = node.flag("transB", false)?;
    // A linear layer.
    let bias = c.as_ref().filter(|c| c.shape().len() == 1 && beta == 1.0 && alpha == 1.0);
    let outputs = b.shape()[usize::from(!transposed)];
    if let (true, Some(bias)) = (transposed, bias.filter(|bias| bias.shape()[..] == [outputs])) {
        return node.gives(a.linear(&b, Some(bias))?);
    }
    let mut y = if transposed { a.linear(&b, None)? } else { a.matmul(&b)? };
    if alpha != 1.0 {
        y = y.scale(alpha)?;
    }
    if let Some(c) = c {
        let scaled = if beta == 1.0 { c } else { c.scale(beta)? };
        let shape = y.shape();
        y = y.add(&scaled)?;
        node.check(
            y.shape() == shape,
            format!("a C that broadcasts to {shape}"),
            scaled.shape().to_string(),
        )?;
    }
    node.gives(y)
}

pub(super) fn einsum(node: &Node<'_>) -> Result<Vec<Value>> {
    let equation = node.text("equation", "")?;
    let tensors = (0..node.inputs.len()).map(|input| node.weight(input)).collect::<Result<Vec<_>>>()?;
    if tensors.len() <= 2 {
        return node.gives(Tensor::einsum(&equation, &tensors.iter().collect::<Vec<_>>())?);
    }
    let (terms, output) = explicit(node, &equation)?;
    node.check(terms.len() == tensors.len(), format!("{} operands", terms.len()), tensors.len().to_string())?;
    // Two at a time: what later ones and the result need is kept.
    let (mut x, mut labels) = (tensors[0].clone(), terms[0].clone());
    for at in 1..tensors.len() {
        let later: String = terms[at + 1..].concat() + &output;
        let mut kept: String =
            labels.chars().chain(terms[at].chars()).filter(|&c| later.contains(c)).collect();
        let mut seen = String::new();
        kept.retain(|c| {
            !seen.contains(c) && {
                seen.push(c);
                true
            }
        });
        let kept = if at + 1 == tensors.len() { output.clone() } else { kept };
        x = Tensor::einsum(&format!("{labels},{}->{kept}", terms[at]), &[&x, &tensors[at]])?;
        labels = kept;
    }
    node.gives(x)
}

/// The labels of the operands and of the result.
fn explicit(node: &Node<'_>, equation: &str) -> Result<(Vec<String>, String)> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    node.check(!text.contains('.'), "letters alone for more than two operands", equation)?;
    let (operands, output) = match text.split_once("->") {
        Some((operands, output)) => (operands.to_owned(), output.to_owned()),
        None => {
            let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
            letters.sort_unstable();
            let once = |c: &&char| letters.iter().filter(|o| o == c).count() == 1;
            (text.clone(), letters.iter().filter(once).collect())
        }
    };
    Ok((operands.split(',').map(str::to_owned).collect(), output))
}
