//! Batches in order or shuffled, read on several threads ahead of the device.

use super::examples::{Batch, Examples, check_batch_size};
use crate::error::Result;
use crate::platform::{BROWSER, Instant, Task, cores, spawn};
use crate::random::Rng;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Batches read ahead besides those that the threads have in hand.
const AHEAD: usize = 2;
/// As many threads as cores, but no more than this.
const THREADS: usize = 8;

/// The order of the examples of an epoch, and what is drawn for them.
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

impl Order {
    fn stream(self) -> (u64, u64) {
        match self {
            Self::Sequential => (0, 0),
            Self::Shuffled { seed, epoch } => (seed, epoch),
        }
    }
}

/// Which batches are in hand.
struct Progress {
    /// The next one that a thread reads.
    next: usize,
    /// Those that were taken.
    taken: usize,
    closed: bool,
}

/// Lets threads read only so far ahead.
struct Gate {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Gate {
    /// The number of the next batch to read, when it is time; `None` where there is no more.
    fn claim(&self, batches: usize, ahead: usize) -> Option<usize> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if progress.closed || progress.next == batches {
                return None;
            }
            if progress.next < progress.taken + ahead {
                progress.next += 1;
                return Some(progress.next - 1);
            }
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

/// Which examples make which batch.
struct Source {
    data: Arc<dyn Examples>,
    indices: Vec<usize>,
    batch_size: usize,
    order: Order,
}

impl Source {
    fn read(&self, number: usize) -> Result<Batch> {
        let first = number * self.batch_size;
        let chunk = &self.indices[first..(first + self.batch_size).min(self.indices.len())];
        let (seed, epoch) = self.order.stream();
        Batch::read(self.data.as_ref(), chunk, seed, epoch)
    }
}

/// An epoch of batches; the last may be shorter. The same ones whatever the number of threads.
pub struct Loader {
    batches: usize,
    next: usize,
    source: Arc<Source>,
    receiver: Receiver<(usize, Result<Batch>)>,
    /// Read ahead of their position in the order.
    early: BTreeMap<usize, Result<Batch>>,
    gate: Arc<Gate>,
    /// None where batches are read when they are asked for.
    workers: Vec<Task<()>>,
    waited: Duration,
}

impl Loader {
    /// Starts to read batches of `batch_size` examples.
    ///
    /// # Errors
    /// When the batch size is 0 or larger than the dataset.
    pub fn new(data: &Arc<dyn Examples>, batch_size: usize, order: Order) -> Result<Self> {
        Self::starting_at(data, batch_size, order, 0)
    }

    /// As [`Loader::new`], without the first `examples` of the epoch: for a run that goes on.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn starting_at(
        data: &Arc<dyn Examples>,
        batch_size: usize,
        order: Order,
        examples: usize,
    ) -> Result<Self> {
        let threads = if BROWSER { 0 } else { cores().min(THREADS) };
        Self::on_threads(data, batch_size, order, examples, threads)
    }

    /// As [`Loader::starting_at`], on so many threads; with none of them each batch is read when it is asked for, as always in
    /// a browser.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn on_threads(
        data: &Arc<dyn Examples>,
        batch_size: usize,
        order: Order,
        examples: usize,
        threads: usize,
    ) -> Result<Self> {
        check_batch_size(data.as_ref(), batch_size)?;
        let mut indices: Vec<usize> = (0..data.len()).collect();
        if let Order::Shuffled { seed, epoch } = order {
            Rng::named(seed, &format!("epoch {epoch}")).shuffle(&mut indices);
        }
        indices.drain(..examples.min(indices.len()));
        let batches = indices.len().div_ceil(batch_size);
        let source = Arc::new(Source { data: data.clone(), indices, batch_size, order });
        let (sender, receiver) = channel();
        let progress = Mutex::new(Progress { next: 0, taken: 0, closed: false });
        let gate = Arc::new(Gate { progress, changed: Condvar::new() });
        let threads = if BROWSER { 0 } else { threads.min(batches.max(1)) };
        let worker = |_| {
            let (source, gate, sender) = (source.clone(), gate.clone(), sender.clone());
            spawn(move || {
                while let Some(number) = gate.claim(batches, threads + AHEAD) {
                    if sender.send((number, source.read(number))).is_err() {
                        return;
                    }
                }
            })
        };
        let workers = (0..threads).map(worker).collect();
        let (early, waited) = (BTreeMap::new(), Duration::ZERO);
        Ok(Self { batches, next: 0, source, receiver, early, gate, workers, waited })
    }

    /// The number of batches of the epoch, or of what is left of it.
    pub fn len(&self) -> usize {
        self.batches
    }

    /// Whether there are none: behind the end of an epoch.
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// The time for which batches were waited for so far, the first one's left out: reading it comes before all else.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.batches {
            return None;
        }
        let began = Instant::now();
        let batch = loop {
            if let Some(batch) = self.early.remove(&self.next) {
                break batch;
            }
            if self.workers.is_empty() {
                break self.source.read(self.next);
            }
            let (number, batch) = self.receiver.recv().ok()?;
            self.early.insert(number, batch);
        };
        if self.next > 0 {
            self.waited += began.elapsed();
        }
        self.next += 1;
        self.gate.change(|progress| progress.taken += 1);
        Some(batch)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.gate.change(|progress| progress.closed = true);
        for worker in self.workers.drain(..) {
            // What panics in examples is caught; there is nobody left to tell of anything else.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Field, Values};
    use crate::tensor::TensorType;

    fn hundred() -> Arc<dyn Examples> {
        Arc::new(Dataset::new((0..100).collect(), (0..100).collect(), [1, 1, 1], 100).unwrap())
    }

    fn labels(loader: Loader) -> Vec<u32> {
        assert_eq!(loader.len(), 4);
        let batches: Vec<Batch> = loader.map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(|b| b.rows).collect::<Vec<_>>(), [32, 32, 32, 4]);
        batches.iter().flat_map(|b| b.tensors[1].as_u32().unwrap().to_vec()).collect()
    }

    #[test]
    fn an_epoch_has_every_image_once() {
        let of = |order| labels(Loader::new(&hundred(), 32, order).unwrap());
        let all: Vec<u32> = (0..100).collect();
        assert_eq!(of(Order::Sequential), all);
        let first = of(Order::Shuffled { seed: 1, epoch: 0 });
        assert_eq!(first, of(Order::Shuffled { seed: 1, epoch: 0 }));
        assert_ne!(first, of(Order::Shuffled { seed: 1, epoch: 1 }));
        assert_ne!(first, of(Order::Shuffled { seed: 2, epoch: 0 }));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, all);
    }

    #[test]
    fn batch_sizes_out_of_range_and_early_drops() {
        let data: Arc<dyn Examples> = Arc::new(Dataset::new(vec![0; 9], vec![0; 9], [1, 1, 1], 1).unwrap());
        for size in [0, 10] {
            let error = Loader::new(&data, size, Order::Sequential).err().unwrap().to_string();
            assert!(error.contains("batch-size: expected 1 to 9"), "{error}");
        }
        let mut loader = Loader::new(&data, 1, Order::Sequential).unwrap();
        assert!(loader.next().is_some());
        drop(loader); // must not hang on the batches nobody took
    }

    /// Example `i` takes a while that has nothing to do with `i`; number 70 is none.
    struct Slow;

    impl Examples for Slow {
        fn len(&self) -> usize {
            100
        }

        fn fields(&self) -> Vec<Field> {
            vec![Field::new("x", TensorType::f32([3]))]
        }

        fn read(&self, index: usize, draws: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
            assert_ne!(index, 70, "an example that panics");
            let draw = draws.uniform() as f32;
            std::thread::sleep(Duration::from_micros((draw * 400.0) as u64));
            values[0].f32()?.copy_from_slice(&[index as f32, draw, draws.uniform() as f32]);
            Ok(())
        }
    }

    #[test]
    fn batches_are_the_same_on_any_number_of_threads() {
        let data: Arc<dyn Examples> = Arc::new(Slow);
        let order = Order::Shuffled { seed: 3, epoch: 1 };
        let of = |threads: usize, examples: usize| -> Vec<std::result::Result<Batch, String>> {
            let loader = Loader::on_threads(&data, 7, order, examples, threads).unwrap();
            loader.map(|batch| batch.map_err(|e| e.to_string())).collect()
        };
        let one = of(1, 0);
        assert_eq!(one.len(), 15);
        let bad: Vec<&String> = one.iter().filter_map(|batch| batch.as_ref().err()).collect();
        assert!(bad.len() == 1 && bad[0].contains("a panic while example 70 was read"), "{bad:?}");
        for threads in [0, 2, 5, 40] {
            assert_eq!(of(threads, 0), one, "{threads} threads");
        }
        assert_eq!(of(3, 21)[1..], one[4..], "what is left of an epoch");
    }
}
