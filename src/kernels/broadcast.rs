//! How a broadcast operand lies beside the elements of another tensor, and how it is read there, in WGSL.

use crate::shape::Shape;

/// Sizes and strides of an operand along the elements of a tensor that it is broadcast to, innermost last; none where it
/// has that tensor's shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Broadcast(Vec<(usize, usize)>);

/// An expression for what is read, and the type that it is read in.
pub(super) struct Load {
    pub(super) expression: String,
    pub(super) element: &'static str,
}

impl Broadcast {
    /// An operand of this shape beside a tensor of that one.
    pub fn of(from: &Shape, to: &Shape) -> Self {
        let strides = from.broadcast_strides(to);
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (&size, &stride) in to.iter().zip(&strides).filter(|(size, _)| **size > 1) {
            match merged.last_mut() {
                Some((outer, step)) if *step == size * stride => (*outer, *step) = (*outer * size, stride),
                _ => merged.push((size, stride)),
            }
        }
        let alike = from.elements() == to.elements();
        Self(if alike { Vec::new() } else { merged })
    }

    /// Whether the operand has the tensor's shape.
    pub fn is_alike(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the operand `name` beside element `i`, or beside the fours of elements with that number; `first` elements of
    /// the tensor lie before those that are counted.
    pub(super) fn load(&self, name: &str, vec4: bool, first: usize) -> Load {
        let wide = if vec4 { "vec4<f32>" } else { "f32" };
        let unit = if vec4 { 4 } else { 1 };
        let at = if first > 0 { format!("(i + {}u)", first / unit) } else { "i".to_owned() };
        let Some(&(size, stride)) = self.0.last() else {
            return Load { expression: format!("{name}[i]"), element: wide };
        };
        let fours = size.is_multiple_of(4);
        if vec4 && fours && stride <= 1 {
            let mut axes: Vec<(usize, usize)> = self
                .0
                .iter()
                .map(|&(size, step)| (size, if stride == 1 { step / 4 } else { step }))
                .collect();
            if let Some(last) = axes.last_mut() {
                *last = (size / 4, stride);
            }
            let loaded = format!("{name}[{}]", position(&at, &axes, false));
            return if stride == 1 {
                Load { expression: loaded, element: wide }
            } else {
                Load { expression: format!("vec4<f32>({loaded})"), element: "f32" }
            };
        }
        if !vec4 {
            return Load { expression: format!("{name}[{}]", position(&at, &self.0, false)), element: "f32" };
        }
        // The last four may reach beyond the tensor: their positions begin again.
        let element = |q: usize| {
            let at = if q == 0 { format!("(4u * {at})") } else { format!("(4u * {at} + {q}u)") };
            format!("{name}[{}]", position(&at, &self.0, true))
        };
        let elements: Vec<String> = (0..4).map(element).collect();
        Load { expression: format!("vec4<f32>({})", elements.join(", ")), element: "f32" }
    }
}

/// The position of element `at` along these axes; the outermost begins again behind its end where `wraps`.
fn position(at: &str, axes: &[(usize, usize)], wraps: bool) -> String {
    let mut behind = 1;
    let mut terms = Vec::new();
    for (d, &(size, stride)) in axes.iter().enumerate().rev() {
        if stride > 0 && size > 1 {
            let divided = if behind > 1 { format!("{at} / {behind}u") } else { at.to_owned() };
            let within = if d == 0 && !wraps { divided } else { format!("{divided} % {size}u") };
            terms.push(if stride > 1 { format!("({within}) * {stride}u") } else { format!("({within})") });
        }
        behind *= size;
    }
    terms.reverse();
    if terms.is_empty() { "0u".to_owned() } else { terms.join(" + ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &[usize], to: &[usize], vec4: bool, first: usize) -> String {
        Broadcast::of(&from.into(), &to.into()).load("x", vec4, first).expression
    }

    #[test]
    fn places_are_as_short_as_they_can_be() {
        assert_eq!(read(&[2, 3], &[2, 3], true, 8), "x[i]");
        assert_eq!(read(&[3], &[2, 3], false, 0), "x[(i % 3u)]");
        assert_eq!(read(&[], &[2, 3], false, 0), "x[0u]");
        assert_eq!(read(&[2, 1], &[2, 3], false, 6), "x[((i + 6u) / 3u)]");
        assert_eq!(read(&[5, 1, 1], &[2, 5, 3, 4], false, 0), "x[(i / 12u % 5u)]");
        assert_eq!(
            read(&[2, 1, 4, 1], &[2, 3, 4, 5], false, 0),
            "x[(i / 60u) * 4u + (i / 5u % 4u)]",
            "two axes"
        );
        assert_eq!(read(&[1, 3], &[1, 3], false, 0), "x[i]");
    }

    #[test]
    fn fours_are_read_at_once_where_they_lie_so() {
        assert_eq!(read(&[8], &[2, 8], true, 0), "x[(i % 2u)]");
        assert_eq!(read(&[2, 1], &[2, 8], true, 16), "vec4<f32>(x[((i + 4u) / 2u)])");
        assert_eq!(read(&[], &[8], true, 0), "vec4<f32>(x[0u])");
        assert_eq!(read(&[2, 1, 8], &[2, 3, 8], true, 0), "x[(i / 6u) * 2u + (i % 2u)]");
        let odd = read(&[3], &[2, 3], true, 0);
        assert!(odd.starts_with("vec4<f32>(x[((4u * i) % 3u)], x[((4u * i + 1u) % 3u)]"), "{odd}");
        let wrapped = read(&[2, 1], &[2, 3], true, 0);
        assert!(wrapped.ends_with("x[((4u * i + 3u) / 3u % 2u)])"), "nothing behind the end: {wrapped}");
    }
}
