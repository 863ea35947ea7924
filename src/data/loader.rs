//! Batches in order or shuffled, prepared on a thread while the device works.

use super::{Batch, Dataset};
use crate::error::Result;
use crate::random::Rng;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// Batches prepared ahead.
const AHEAD: usize = 2;

/// The order of the images of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they are.
    Sequential,
    /// A permutation that depends on the seed and the epoch alone.
    Shuffled {
        /// The seed.
        seed: u64,
        /// The epoch.
        epoch: u64,
    },
}

/// An epoch of batches; the last may be shorter.
#[derive(Debug)]
pub struct Loader {
    batches: usize,
    /// `None` once dropped, which ends the thread.
    receiver: Option<Receiver<Result<Batch>>>,
    worker: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts to prepare batches of `batch_size` images.
    ///
    /// # Errors
    /// When the batch size is 0 or larger than the dataset.
    pub fn new(data: &Arc<Dataset>, batch_size: usize, order: Order) -> Result<Self> {
        Self::starting_at(data, batch_size, order, 0)
    }

    /// As [`Loader::new`], without the first `images` of the epoch: for a run that goes on.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn starting_at(data: &Arc<Dataset>, batch_size: usize, order: Order, images: usize) -> Result<Self> {
        data.check_batch_size(batch_size)?;
        let mut indices: Vec<usize> = (0..data.len()).collect();
        if let Order::Shuffled { seed, epoch } = order {
            Rng::named(seed, &format!("epoch {epoch}")).shuffle(&mut indices);
        }
        indices.drain(..images.min(indices.len()));
        let (sender, receiver) = sync_channel(AHEAD);
        let data = data.clone();
        let batches = indices.len().div_ceil(batch_size);
        let worker = thread::spawn(move || {
            for chunk in indices.chunks(batch_size) {
                if sender.send(data.batch(chunk)).is_err() {
                    return; // the loader was dropped
                }
            }
        });
        Ok(Self { batches, receiver: Some(receiver), worker: Some(worker) })
    }

    /// The number of batches of the epoch, or of what is left of it.
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether there are none: behind the end of an epoch.
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receiver.as_ref()?.recv().ok()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Without a receiver the thread's next send fails, and it ends.
        drop(self.receiver.take());
        if let Some(worker) = self.worker.take() {
            // A thread that failed has delivered fewer batches; there is nobody left to tell.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(order: Order) -> Vec<u32> {
        let data = Dataset::new((0..100).collect(), (0..100).collect(), [1, 1, 1], 100).unwrap();
        let loader = Loader::new(&Arc::new(data), 32, order).unwrap();
        assert_eq!(loader.len(), 4);
        let sizes_and_labels: Vec<Vec<u32>> =
            loader.map(|b| b.unwrap().labels.as_u32().unwrap().to_vec()).collect();
        assert_eq!(sizes_and_labels.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 32, 4]);
        sizes_and_labels.concat()
    }

    #[test]
    fn an_epoch_has_every_image_once() {
        let all: Vec<u32> = (0..100).collect();
        assert_eq!(labels(Order::Sequential), all);
        let first = labels(Order::Shuffled { seed: 1, epoch: 0 });
        assert_eq!(first, labels(Order::Shuffled { seed: 1, epoch: 0 }));
        assert_ne!(first, labels(Order::Shuffled { seed: 1, epoch: 1 }));
        assert_ne!(first, labels(Order::Shuffled { seed: 2, epoch: 0 }));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, all);
    }

    #[test]
    fn batch_sizes_out_of_range_and_early_drops() {
        let data = Arc::new(Dataset::new(vec![0; 9], vec![0; 9], [1, 1, 1], 1).unwrap());
        for size in [0, 10] {
            let error = Loader::new(&data, size, Order::Sequential).unwrap_err().to_string();
            assert!(error.contains("batch-size: expected 1 to 9"), "{error}");
        }
        let mut loader = Loader::new(&data, 1, Order::Sequential).unwrap();
        assert!(loader.next().is_some());
        drop(loader); // must not hang on the batches nobody took
    }
}
