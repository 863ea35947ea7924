//! Examples of any kind, read by their number: what every dataset is to the loop that trains.

use super::Statistics;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::{HostTensor, TensorType};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// One of the tensors of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, such as `image` or `label`.
    pub name: String,
    /// Shape and element type of one example: `f32` or `u32`. A batch has a dimension more, in front.
    pub ty: TensorType,
}

impl Field {
    /// A field of this name and type.
    pub fn new(name: &str, ty: TensorType) -> Self {
        Self { name: name.to_owned(), ty }
    }
}

/// A buffer for the values of a field of one example: zeros before they are written.
#[derive(Debug)]
pub enum Values<'a> {
    /// Numbers.
    F32(&'a mut [f32]),
    /// Classes, tokens and counts.
    U32(&'a mut [u32]),
}

impl Values<'_> {
    /// The values of an `f32` field, to be written.
    ///
    /// # Errors
    /// When the field has another type.
    pub fn f32(&mut self) -> Result<&mut [f32]> {
        match self {
            Self::F32(values) => Ok(values),
            Self::U32(_) => Err(Error::argument("field", "f32 values", "u32 values")),
        }
    }

    /// The values of a `u32` field, to be written: classes, tokens, counts.
    ///
    /// # Errors
    /// When the field has another type.
    pub fn u32(&mut self) -> Result<&mut [u32]> {
        match self {
            Self::U32(values) => Ok(values),
            Self::F32(_) => Err(Error::argument("field", "u32 values", "f32 values")),
        }
    }
}

/// Examples that are read by their number, in any order and from several threads.
pub trait Examples: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fields of every example, of the same types in all.
    fn fields(&self) -> Vec<Field>;

    /// The names of the classes that the field `label` counts; none where there is no such thing.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// What the channels of the field `image` were normalised by, where they were.
    fn normalised_by(&self) -> Option<&Statistics> {
        None
    }

    /// Writes example `index`, a field's values to each position. `draws` depends on the seed, the epoch and `index` alone:
    /// what is drawn from it is the same whichever thread reads when.
    ///
    /// # Errors
    /// When there is no such example, or its file does not hold what it should.
    fn read(&self, index: usize, draws: &mut Rng, values: &mut [Values<'_>]) -> Result<()>;
}

/// The examples of a batch, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// How many they are.
    pub rows: usize,
    /// A tensor for each field, in their order; the first dimension is that of the examples.
    pub tensors: Vec<HostTensor>,
}

/// Where a tensor of a batch is put together.
enum Column {
    F32(Vec<f32>),
    U32(Vec<u32>),
}

impl Column {
    fn row(&mut self, row: usize, size: usize) -> Values<'_> {
        match self {
            Self::F32(all) => Values::F32(&mut all[row * size..(row + 1) * size]),
            Self::U32(all) => Values::U32(&mut all[row * size..(row + 1) * size]),
        }
    }
}

impl Batch {
    /// Reads the examples `indices` in this order; what is drawn for them follows from `seed` and `epoch`.
    ///
    /// # Errors
    /// When one cannot be read, or a field has a type that no example can have.
    pub fn read(data: &dyn Examples, indices: &[usize], seed: u64, epoch: u64) -> Result<Self> {
        let fields = data.fields();
        let mut columns = Vec::with_capacity(fields.len());
        for Field { name, ty } in &fields {
            let all = indices.len() * ty.shape.elements();
            columns.push(match ty.dtype {
                DType::F32 => Column::F32(vec![0.0; all]),
                DType::U32 => Column::U32(vec![0; all]),
                other => {
                    let got = other.to_string();
                    return Err(Error::argument(&format!("field {name}"), "f32 or u32", got));
                }
            });
        }
        for (row, &index) in indices.iter().enumerate() {
            if index >= data.len() {
                let expected = format!("indices below {}", data.len());
                return Err(Error::argument("batch", expected, index.to_string()));
            }
            let mut draws = Rng::named(seed, &format!("epoch {epoch}, example {index}"));
            let positions = columns.iter_mut().zip(&fields);
            let mut positions: Vec<Values<'_>> =
                positions.map(|(column, field)| column.row(row, field.ty.shape.elements())).collect();
            // Examples of a user's own may panic, and whoever waits for the batch has to hear of it.
            let read = AssertUnwindSafe(|| data.read(index, &mut draws, &mut positions));
            catch_unwind(read).unwrap_or_else(|_| {
                let got = format!("a panic while example {index} was read");
                Err(Error::argument("examples", "values of every example", got))
            })?;
        }
        let tensors = columns.into_iter().zip(&fields).map(|(column, field)| {
            let dims = std::iter::once(indices.len()).chain(field.ty.shape.iter().copied());
            let shape = Shape::from(dims.collect::<Vec<_>>());
            match column {
                Column::F32(all) => HostTensor::from_f32(shape, all),
                Column::U32(all) => HostTensor::from_u32(shape, all),
            }
        });
        Ok(Self { rows: indices.len(), tensors: tensors.collect::<Result<_>>()? })
    }
}

impl Batch {
    /// Some of its examples, in their order.
    ///
    /// # Errors
    /// When it has fewer.
    pub fn part(&self, rows: Range<usize>) -> Result<Self> {
        if rows.start > rows.end || rows.end > self.rows {
            let expected = format!("rows within the {} of a batch", self.rows);
            return Err(Error::argument("batch", expected, format!("{rows:?}")));
        }
        let part = |tensor: &HostTensor| {
            let ty = tensor.ty();
            let dims = std::iter::once(rows.len()).chain(ty.shape.iter().skip(1).copied());
            let own = TensorType { shape: Shape::from(dims.collect::<Vec<_>>()), dtype: ty.dtype };
            let row = tensor.as_bytes().len() / self.rows.max(1);
            HostTensor::from_bytes(&own, &tensor.as_bytes()[rows.start * row..rows.end * row])
        };
        Ok(Self { rows: rows.len(), tensors: self.tensors.iter().map(part).collect::<Result<_>>()? })
    }
}

/// Accepts batches of 1 to all examples.
///
/// # Errors
/// When the batch size is 0 or larger than the dataset.
pub fn check_batch_size(data: &dyn Examples, batch_size: usize) -> Result<()> {
    if (1..=data.len()).contains(&batch_size) {
        return Ok(());
    }
    let expected = format!("1 to {}, the number of examples", data.len());
    Err(Error::argument("batch-size", expected, batch_size.to_string()))
}

/// Some of the examples of another dataset.
pub struct Subset {
    data: Arc<dyn Examples>,
    indices: Vec<usize>,
}

impl Subset {
    /// The examples `indices` of `data`, in this order.
    ///
    /// # Errors
    /// When there are none, or one is out of range.
    pub fn new(data: Arc<dyn Examples>, indices: Vec<usize>) -> Result<Self> {
        if indices.is_empty() {
            return Err(Error::argument("subset", "at least 1 example", "none"));
        }
        if let Some(bad) = indices.iter().find(|&&index| index >= data.len()) {
            let expected = format!("indices below {}", data.len());
            return Err(Error::argument("subset", expected, bad.to_string()));
        }
        Ok(Self { data, indices })
    }
}

impl Examples for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn fields(&self) -> Vec<Field> {
        self.data.fields()
    }

    fn classes(&self) -> &[String] {
        self.data.classes()
    }

    fn normalised_by(&self) -> Option<&Statistics> {
        self.data.normalised_by()
    }

    fn read(&self, index: usize, draws: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let known = self.indices.get(index).copied();
        let expected = || format!("indices below {}", self.indices.len());
        let inner = known.ok_or_else(|| Error::argument("subset", expected(), index.to_string()))?;
        self.data.read(inner, draws, values)
    }
}

/// The numbers below `count` in two parts, the second a `fraction` of them that is drawn by `seed`; each in order.
pub(super) fn split_indices(count: usize, fraction: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    let held = (count as f64 * fraction).round();
    if !(fraction > 0.0 && fraction < 1.0 && held >= 1.0 && (held as usize) < count) {
        let expected = format!("a fraction between 0 and 1 that leaves some of {count} examples for both");
        return Err(Error::argument("validation", expected, fraction.to_string()));
    }
    let mut order: Vec<usize> = (0..count).collect();
    Rng::named(seed, "validation split").shuffle(&mut order);
    let mut held = order.split_off(count - held as usize);
    order.sort_unstable();
    held.sort_unstable();
    Ok((order, held))
}

/// Two parts of a dataset: one to learn from, and a `fraction` of it, drawn by `seed`, to validate on.
///
/// # Errors
/// When the fraction is not between 0 and 1, or leaves nothing for one of the parts.
pub fn split(data: &Arc<dyn Examples>, fraction: f64, seed: u64) -> Result<(Subset, Subset)> {
    let (order, held) = split_indices(data.len(), fraction, seed)?;
    Ok((Subset::new(data.clone(), order)?, Subset::new(data.clone(), held)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Example `i` is `(i, a draw)`.
    pub(super) struct Counting(pub usize);

    impl Examples for Counting {
        fn len(&self) -> usize {
            self.0
        }

        fn fields(&self) -> Vec<Field> {
            vec![Field::new("x", TensorType::f32([2])), Field::new("label", TensorType::u32([]))]
        }

        fn read(&self, index: usize, draws: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
            values[0].f32()?.copy_from_slice(&[index as f32, draws.uniform() as f32]);
            values[1].u32()?[0] = index as u32;
            Ok(())
        }
    }

    #[test]
    fn what_is_drawn_follows_from_seed_epoch_and_number() {
        let read = |indices: &[usize], seed, epoch| Batch::read(&Counting(9), indices, seed, epoch).unwrap();
        let (one, other) = (read(&[3, 5], 1, 2), read(&[5, 3, 8], 1, 2));
        assert_eq!(other.tensors[1].as_u32().unwrap(), [5, 3, 8]);
        let x = |batch: &Batch, row: usize| batch.tensors[0].as_f32().unwrap()[2 * row..][..2].to_vec();
        assert_eq!((x(&one, 0), x(&one, 1)), (x(&other, 1), x(&other, 0)));
        assert_ne!(x(&one, 0), x(&read(&[3], 1, 3), 0));
        assert_ne!(x(&one, 0), x(&read(&[3], 2, 2), 0));
        assert!(Batch::read(&Counting(9), &[9], 0, 0).unwrap_err().to_string().contains("below 9, got 9"));
    }

    #[test]
    fn a_split_has_every_example_once() {
        let data: Arc<dyn Examples> = Arc::new(Counting(50));
        let (train, held) = split(&data, 0.2, 7).unwrap();
        assert_eq!((train.len(), held.len()), (40, 10));
        let mut all = [train.indices.clone(), held.indices.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert_ne!(held.indices, split(&data, 0.2, 8).unwrap().1.indices);
        for share in [0.0, 1.0, 0.001, f64::NAN, -1.0] {
            assert!(split(&data, share, 0).is_err(), "{share}");
        }
        assert!(Subset::new(data.clone(), vec![50]).is_err() && Subset::new(data, vec![]).is_err());
    }
}
