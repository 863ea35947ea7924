//! TensorBoard's event files: scalars, histograms and images by step.
//!
//! A file is a row of records, each framed by its length and two masked CRC-32C; a record is an `Event`, a protocol buffer of
//! few fields. Both are written here by hand: `tensorflow/core/util/event.proto` and `.../framework/summary.proto` say what the
//! fields are.

use super::crc32c::masked;
use super::histogram::Histogram;
use crate::error::{Error, Result};
use crate::platform::{Instant, SystemTime, UNIX_EPOCH, process};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files of one process and second that are distinguished by number.
const TRIES: u32 = 1000;

/// Writes what `tensorboard --logdir FOLDER` shows.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// The time of day when it began. Later times add what has gone by since, so that none goes back with the clock.
    began: (Duration, Instant),
}

impl EventWriter {
    /// Makes a new file in `folder`, which is made where there is none. Other files of events there stay: TensorBoard
    /// shows all of them as one run.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (path, file) = new_file(folder, now.as_secs())?;
        let mut writer = Self { path, file: BufWriter::new(file), began: (now, Instant::now()) };
        writer.event(0, |event| event.bytes(3, b"brain.Event:2"))?;
        writer.flush()?;
        Ok(writer)
    }

    /// As [`EventWriter::create`], for a run that goes on from `step`: TensorBoard forgets what earlier files say of later
    /// steps.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub fn resume(folder: &Path, step: u64) -> Result<Self> {
        let mut writer = Self::create(folder)?;
        // A session log of status START, of the first step that is done again.
        writer.event(step + 1, |event| event.message(7, |session| session.integer(1, 1)))?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number of a step. NaN and infinities are written as they are.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.value(tag, step, |summary| summary.float(2, value as f32))
    }

    /// A histogram of numbers, such as weights or gradients. Those that are not finite have no place in it: how many
    /// there are, if any, is the scalar `TAG/not_finite`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &[f32]) -> Result<()> {
        let histogram = Histogram::of(values);
        if histogram.not_finite > 0 {
            self.scalar(&format!("{tag}/not_finite"), step, histogram.not_finite as f64)?;
        }
        self.value(tag, step, |summary| {
            summary.message(5, |field| {
                let Histogram { min, max, count, sum, squares, limits, counts, .. } = &histogram;
                for (number, value) in (1..).zip([*min, *max, *count as f64, *sum, *squares]) {
                    field.double(number, value);
                }
                field.doubles(6, limits);
                field.doubles(7, counts);
            });
        })
    }

    /// An image: a whole PNG file, and its height and width.
    ///
    /// # Errors
    /// When `png` is no PNG file, or the file cannot be written.
    pub fn image(&mut self, tag: &str, step: u64, png: &[u8], height: u32, width: u32) -> Result<()> {
        const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
        // The colour type lies behind signature, length, name, sides and depth; it tells the number of channels.
        let color = png.get(25).filter(|_| png.starts_with(SIGNATURE));
        let channels = match color {
            Some(0) => 1,
            Some(4) => 2,
            Some(2 | 3) => 3,
            Some(6) => 4,
            // No PNG file.
            _ => return Err(Error::argument("image", "the bytes of a PNG file", "other bytes")),
        };
        self.value(tag, step, |summary| {
            summary.message(4, |image| {
                for (number, value) in (1..).zip([u64::from(height), u64::from(width), channels]) {
                    image.integer(number, value);
                }
                image.bytes(4, png);
            });
        })
    }

    /// Hands over to the operating system what is held back.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|error| Error::io(&self.path, error))
    }

    fn value(&mut self, tag: &str, step: u64, add: impl FnOnce(&mut Message)) -> Result<()> {
        self.event(step, |event| {
            event.message(5, |summary| {
                summary.message(1, |value| {
                    value.bytes(1, tag.as_bytes());
                    add(value);
                });
            });
        })
    }

    fn event(&mut self, step: u64, add: impl FnOnce(&mut Message)) -> Result<()> {
        let mut event = Message::default();
        event.double(1, (self.began.0 + self.began.1.elapsed()).as_secs_f64());
        event.integer(2, step);
        add(&mut event);
        let length = (event.0.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(&event.0);
        record.extend(masked(&event.0).to_le_bytes());
        self.file.write_all(&record).map_err(|error| Error::io(&self.path, error))
    }
}

/// A file that was not there before. TensorBoard takes files whose names have `tfevents` in them.
fn new_file(folder: &Path, seconds: u64) -> Result<(PathBuf, File)> {
    for number in 0..TRIES {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.{}.{number}", process()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
    Err(Error::file(folder, "a free name for a file of events", format!("{TRIES} that are taken")))
}

/// The fields of a protocol buffer, in order.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// The key of a field: its number and how it is written.
    fn key(&mut self, number: u64, wire: u64) {
        self.varint(number << 3 | wire);
    }

    fn integer(&mut self, number: u64, value: u64) {
        self.key(number, 0);
        self.varint(value);
    }

    fn double(&mut self, number: u64, value: f64) {
        self.key(number, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, number: u64, value: f32) {
        self.key(number, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.key(number, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn doubles(&mut self, number: u64, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(number, &bytes);
    }

    fn message(&mut self, number: u64, add: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        add(&mut inner);
        self.bytes(number, &inner.0);
    }
}
