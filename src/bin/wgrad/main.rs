//! The `wgrad` command.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]

mod bench;
mod canvas;
mod claims;
mod compare;
mod convert;
mod csv;
mod data;
mod device;
mod doctor;
mod epochs;
mod eval;
mod explain;
mod export;
mod finetune;
mod forecast;
mod image;
mod import;
mod inspect;
mod log;
mod machine;
mod merge;
mod models;
mod network;
mod networks;
mod optimizer;
mod output;
mod page;
mod parity;
mod pictures;
mod plot;
mod predict;
mod quiet;
mod recovery;
mod report;
mod resume;
mod run;
mod run_onnx;
mod shells;
mod signals;
mod summary;
mod tables;
mod text;
mod text_run;
mod train;
mod train_args;
mod trained;
mod training;
mod tune;
mod ways;
mod welcome;
mod write;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Trains, inspects and measures networks on any GPU.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure kernels, training steps and the adapter itself.
    Bench(bench::BenchArgs),
    /// Train a network on images, sound, DNA or tables and write a run folder.
    Train(train_args::TrainArgs),
    /// Evaluate a trained network on test examples.
    Eval(eval::EvalArgs),
    /// Classify images, recordings, sequences or rows with a trained network.
    Predict(predict::PredictArgs),
    /// Compare runs: what differs between them, and their curves.
    Compare(compare::CompareArgs),
    /// Write a page about a run of `train`: curves, classes, mistakes, filters.
    Report(page::ReportArgs),
    /// Learn a text character by character and write one like it.
    Text(text::TextArgs),
    /// Write a text with a network that `wgrad text` trained.
    Write(write::WriteArgs),
    /// Learn a time series and forecast its end.
    Forecast(forecast::ForecastArgs),
    /// Write a trained network as an ONNX model.
    Export(export::ExportArgs),
    /// Measure which kernel variants are fastest on an adapter, for later runs.
    Tune(tune::TuneArgs),
    /// Train a network of an ONNX file on classes of your own, and write it as ONNX and safetensors.
    Finetune(finetune::FinetuneArgs),
    /// Run a network of an ONNX file on arrays and images.
    Run(run_onnx::RunArgs),
    /// Print what an ONNX file holds, build it and print what comes out.
    Import(import::ImportArgs),
    /// Print what a weight file or a checkpoint holds.
    Inspect(inspect::InspectArgs),
    /// Write the tensors of a PyTorch or NumPy file as safetensors or .npz.
    Convert(convert::ConvertArgs),
    /// Print the layers of a network: shapes, parameters, FLOPs, memory.
    Summary(summary::SummaryArgs),
    /// Print what a training step of a network does: kernels, fusion, memory.
    Explain(explain::ExplainArgs),
    /// Compare the kernels of adapters with the CPU reference, case by case.
    Parity(parity::ParityArgs),
    /// List every adapter of every backend.
    Devices(device::DevicesArgs),
    /// Find out what works here, how fast, and what is missing; with a text for bug reports.
    Doctor(doctor::DoctorArgs),
    /// Print the completions of a shell.
    Completions(shells::CompletionsArgs),
    /// Write the pages that `man` shows.
    Man(shells::ManArgs),
}

/// Ends quietly when whoever reads the output has had enough, as `wgrad parity --list | head` does: `println!` panics
/// then. Every other panic is reported as ever.
fn leave_when_nobody_reads() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        if message.is_some_and(|m| m.starts_with("failed printing to std")) {
            std::process::exit(141); // as a shell reports a command ended by SIGPIPE
        }
        report(panic);
    }));
}

fn main() -> ExitCode {
    quiet::drivers();
    leave_when_nobody_reads();
    // Who gives no command asks what there is, and gets an answer: no error.
    let Some(command) = Cli::parse().command else {
        print!("{}", welcome::text());
        return ExitCode::SUCCESS;
    };
    let result = match command {
        Command::Bench(args) => bench::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Report(args) => page::run(&args),
        Command::Text(args) => text::run(&args),
        Command::Write(args) => write::run(&args),
        Command::Forecast(args) => forecast::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Finetune(args) => finetune::run(&args),
        Command::Run(args) => run_onnx::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Parity(args) => parity::run(&args),
        Command::Devices(args) => device::list(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => shells::completions(&args),
        Command::Man(args) => shells::man(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(interrupted) = error.downcast_ref::<signals::Interrupted>() {
                eprintln!("{interrupted}");
                return ExitCode::from(128 + interrupted.signal);
            }
            eprintln!("error: {error:#}");
            error.downcast_ref::<doctor::NoAdapter>().map_or(ExitCode::FAILURE, doctor::NoAdapter::code)
        }
    }
}
