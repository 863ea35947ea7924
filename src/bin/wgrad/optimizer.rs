//! The options with which a command chooses the rule by which weights change.

use crate::resume::Words;
use crate::run::decimal;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use wgrad::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, NAdam, Optimizer, RAdam, RmsProp, Rprop, Sgd,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    Sgd,
    Adam,
    Adamw,
    Adamax,
    Rmsprop,
    Adagrad,
    Adadelta,
    Nadam,
    Radam,
    Lion,
    Lamb,
    Rprop,
}

/// Which optimizer.
#[derive(Debug, Clone, Args)]
pub struct OptimizerArgs {
    /// The optimizer.
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: OptimizerName,
    /// Learning rate [default: the network's own, 0.001 for most; adadelta 1, lion a tenth of it].
    #[arg(long)]
    lr: Option<f32>,
    /// Momentum of sgd.
    #[arg(long, default_value_t = 0.0)]
    momentum: f32,
    /// Use Nesterov momentum.
    #[arg(long)]
    nesterov: bool,
    /// L2 penalty of sgd and adam, decoupled decay of adamw [default: 0; adamw 0.01].
    #[arg(long)]
    weight_decay: Option<f32>,
}

impl OptimizerArgs {
    /// The learning rate: that which was asked for, or else the network's `usual` one of Adam.
    pub fn lr(&self, usual: f32) -> f32 {
        self.lr.unwrap_or(match self.optimizer {
            // Steps of another size than a gradient's or Adam's.
            OptimizerName::Adadelta => 1.0,
            OptimizerName::Lion => usual / 10.0,
            // The network's own.
            _ => usual,
        })
    }

    /// The optimizer.
    ///
    /// # Errors
    /// When an option does not go with it.
    pub fn build(&self, usual: f32) -> anyhow::Result<Box<dyn Optimizer>> {
        use OptimizerName as Name;
        let (decay, lr) = (self.weight_decay.unwrap_or(0.0), self.lr(usual));
        let with_momentum = matches!(self.optimizer, Name::Sgd | Name::Rmsprop);
        if !with_momentum && self.momentum != 0.0 || self.optimizer != Name::Sgd && self.nesterov {
            let got = self.optimizer;
            anyhow::bail!(
                "--momentum and --nesterov: expected --optimizer sgd, or rmsprop with momentum alone, got {got:?}"
            );
        }
        if self.optimizer == Name::Rprop && decay != 0.0 {
            anyhow::bail!("--weight-decay: expected an optimizer with weight decay, got Rprop");
        }
        Ok(match self.optimizer {
            Name::Sgd => {
                Box::new(Sgd::new(lr).momentum(self.momentum).nesterov(self.nesterov).weight_decay(decay))
            }
            Name::Adam => Box::new(Adam::new(lr).weight_decay(decay)),
            Name::Adamw => Box::new(AdamW::new(lr).weight_decay(self.weight_decay.unwrap_or(0.01))),
            Name::Adamax => Box::new(Adamax::new(lr).weight_decay(decay)),
            Name::Rmsprop => Box::new(RmsProp::new(lr).momentum(self.momentum).weight_decay(decay)),
            Name::Adagrad => Box::new(Adagrad::new(lr).weight_decay(decay)),
            Name::Adadelta => Box::new(Adadelta::new(lr).weight_decay(decay)),
            Name::Nadam => Box::new(NAdam::new(lr).weight_decay(decay)),
            Name::Radam => Box::new(RAdam::new(lr).weight_decay(decay)),
            Name::Lion => Box::new(Lion::new(lr).weight_decay(decay)),
            Name::Lamb => Box::new(Lamb::new(lr).weight_decay(decay)),
            Name::Rprop => Box::new(Rprop::new(lr)),
        })
    }

    fn name(&self) -> Option<String> {
        self.optimizer.to_possible_value().map(|value| value.get_name().to_owned())
    }

    /// What was asked for, as a command line that asks for it again.
    pub fn words(&self, words: &mut Words) {
        words.add("optimizer", self.name());
        words.add("lr", self.lr);
        words.add("momentum", Some(self.momentum));
        words.add("weight-decay", self.weight_decay);
        words.flag("nesterov", self.nesterov);
    }

    /// What a run notes of it.
    pub fn settings(&self, usual: f32) -> Vec<(&'static str, Value)> {
        vec![
            ("optimizer", json!(self.name())),
            ("lr", json!(decimal(self.lr(usual)))),
            ("momentum", json!(decimal(self.momentum))),
            ("nesterov", json!(self.nesterov)),
            ("weight_decay", json!(self.weight_decay.map(decimal))),
        ]
    }
}
