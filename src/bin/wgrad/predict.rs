//! `wgrad predict`.

use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::image;
use crate::networks::{Named, Reads};
use crate::trained::{Trained, TrainedArgs, TrainedOn};
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use wgrad::data::{self, Batch, Examples, Field, Table};
use wgrad::nn::Heard;
use wgrad::{HostTensor, Parameters, TensorType};

/// `wgrad predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// What the network reads: images of any size (of digits and letters PNG files of one each, dark on light ones inverted);
    /// WAV files; FASTA or CSV files of sequences; CSV files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// An example to predict, by name.
struct Asked {
    name: String,
    values: Vec<f32>,
}

/// Prints the three likeliest classes of each.
pub fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let Trained { model, on, weights } = args.trained.find()?;
    // Weights alone are taken for those of a network for digits; others do not fit it, which loading them says.
    let on = on.unwrap_or_else(TrainedOn::digits);
    let mut asked = Vec::new();
    for path in &args.files {
        asked.extend(read(path, &model, &on)?);
    }
    let shape = [&[asked.len()][..], &on.shape].concat();
    let values = asked.iter().flat_map(|one| one.values.iter().copied()).collect();
    let examples = HostTensor::from_f32(shape, values)?;
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let label = match on.names.len() {
        0 => Field::new("target", TensorType::f32([1])),
        _ => Field::new("label", TensorType::u32([])),
    };
    let fields = vec![Field::new(model.field(), TensorType::f32(&on.shape[..])), label];
    let mut network = model.network(&parameters, (&on.shape, on.names.len()), fields)?;
    network.prepare(1)?;
    parameters.load(&weights)?;
    let probabilities = network.predict(&[&examples])?;
    if on.names.is_empty() {
        let table = on.table.as_ref().context("expected the columns of a table, got a run without them")?;
        for (one, value) in asked.iter().zip(probabilities.as_f32()?) {
            println!("{}: {} {:.4}", one.name, table.target(), table.unscaled(*value));
        }
        return Ok(());
    }
    for (one, row) in asked.iter().zip(probabilities.as_f32()?.chunks(on.names.len())) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let best =
            order.iter().take(3).map(|&class| format!("{} ({:.1} %)", on.names[class], 100.0 * row[class]));
        println!("{}: {}", one.name, best.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// What a file asks about: one thing, or each sequence of it.
fn read(path: &Path, model: &Named, on: &TrainedOn) -> anyhow::Result<Vec<Asked>> {
    let one = |values: Vec<f32>| vec![Asked { name: path.display().to_string(), values }];
    match model.reads() {
        Reads::Tables => {
            let schema =
                on.table.as_ref().context("expected the columns of a table, got a run without them")?;
            let options = on.data.as_ref().map(DataArgs::table).unwrap_or_default();
            let table = Table::open_without_target(path, schema, &options)?;
            let indices: Vec<usize> = (0..table.len()).collect();
            let batch = Batch::read(&table, &indices, 0, 0)?;
            let rows = batch.tensors.first().map(HostTensor::as_f32).transpose()?.unwrap_or_default();
            let name = |index| format!("{}, row {}", path.display(), table.line(index).unwrap_or(0));
            let asked = rows.chunks(table.width().max(1)).enumerate();
            Ok(asked.map(|(index, row)| Asked { name: name(index), values: row.to_vec() }).collect())
        }
        Reads::Images => {
            let [channels, h, w] = on.shape[..] else {
                anyhow::bail!("predict: expected images (C, H, W), got {:?}", on.shape);
            };
            if let Some(by) = &on.normalised_by {
                return Ok(one(data::read_image(path, [channels, h, w], by)?));
            }
            let images = model.words(&on.shape, on.names.len());
            anyhow::ensure!(
                channels == 1,
                "predict: expected a network for grey images, got one for {images}"
            );
            let pixels = image::read(path)?.white_on_black().resize(w, h).pixels;
            Ok(one(pixels.into_iter().map(data::normalise).collect()))
        }
        Reads::Signals(Heard::Dna) => {
            let length = on.shape.get(1).copied().unwrap_or(0);
            let records = data::read_dna(path)?.into_iter();
            let asked = records.map(|record| {
                let values = data::one_hot_dna(&record.sequence, length)?;
                Ok(Asked { name: format!("{}, {}", path.display(), record.header), values })
            });
            asked.collect()
        }
        Reads::Signals(heard) => {
            let usual = DataArgs::noted(&serde_json::json!([]))?;
            let args = on.data.as_ref().or(usual.as_ref()).context("options of recordings")?;
            Ok(one(data::read_recording(path, &args.audio(heard))?))
        }
    }
}
