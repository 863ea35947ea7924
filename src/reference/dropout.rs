//! dropout, from counted random numbers.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::Dropout;
use crate::tensor::TensorType;

impl Define for Dropout {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs)])
    }
}

/// How far each round rotates; the key is added every four rounds.
const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];

/// Threefry-2x32 with 20 rounds.
fn threefry(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let keys = [key[0], key[1], 0x1bd1_1bda ^ key[0] ^ key[1]];
    let (mut x, mut y) = (counter[0].wrapping_add(keys[0]), counter[1].wrapping_add(keys[1]));
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            x = x.wrapping_add(y);
            y = y.rotate_left(rotation) ^ x;
        }
        x = x.wrapping_add(keys[(group + 1) % 3]);
        y = y.wrapping_add(keys[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [x, y]
}

/// Two elements share one block of random bits.
fn forward(o: &Dropout, inputs: &[&Array]) -> Vec<f64> {
    let step = inputs[1].data[0] as u32;
    let value = |(i, &x): (usize, &f64)| {
        let bits = threefry([o.seed, 0], [(i / 2) as u32, step])[i % 2];
        if bits < o.threshold() { 0.0 } else { x * f64::from(o.scale()) }
    };
    inputs[0].data.iter().enumerate().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::threefry;

    /// The known answers of the authors' library, Random123.
    #[test]
    fn threefry_gives_the_known_answers() {
        assert_eq!(threefry([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        let answer = threefry([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3]);
        assert_eq!(answer, [0xc492_3a9c, 0x483d_f7a0]);
    }
}
