//! `wgrad predict`.

use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::image;
use crate::networks::{Named, Reads};
use crate::trained::{Trained, TrainedArgs, TrainedOn};
use anyhow::Context;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use wgrad::data::{self, Field};
use wgrad::nn::Heard;
use wgrad::train::{Classification, Network};
use wgrad::{HostTensor, Parameters, TensorType};

/// `wgrad predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// What the network reads: images of any size (of digits and letters PNG files of one each, dark on light ones inverted);
    /// WAV files; FASTA files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Something to be told what it is, by name.
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
    let fields = vec![
        Field::new(model.field(), TensorType::f32(&on.shape[..])),
        Field::new("label", TensorType::u32([])),
    ];
    let task = Classification::new(model.build(&on.shape, on.names.len())?);
    let mut network = Network::of_fields(&parameters, task, fields, on.names.len())?;
    network.prepare(1)?;
    parameters.load(&weights)?;
    let probabilities = network.predict(&[&examples])?;
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
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let records = data::parse_fasta(path, &text)?.into_iter();
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
