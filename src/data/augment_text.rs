//! Augmentations as texts: what a command line takes and a run keeps.

use super::Augment;
use crate::error::{Error, Result};
use crate::pairs::Pairs;
use std::fmt;
use std::str::FromStr;

/// The names that a text may have.
const NAMES: &str = "crop, resized_crop, flip, vertical_flip, rotation, affine, jitter, erase or noise";

/// As its [`FromStr`] reads it.
impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RandomCrop { padding } => write!(f, "crop:padding={padding}"),
            Self::RandomResizedCrop { scale: (low, high) } => write!(f, "resized_crop:scale={low}/{high}"),
            Self::HorizontalFlip { p } => write!(f, "flip:p={p}"),
            Self::VerticalFlip { p } => write!(f, "vertical_flip:p={p}"),
            Self::Rotation { degrees } => write!(f, "rotation:degrees={degrees}"),
            Self::Affine { degrees, translate, scale: (low, high), shear } => {
                write!(f, "affine:degrees={degrees},translate={translate},scale={low}/{high},shear={shear}")
            }
            Self::ColorJitter { brightness, contrast, saturation } => {
                write!(f, "jitter:brightness={brightness},contrast={contrast},saturation={saturation}")
            }
            Self::Erase { p } => write!(f, "erase:p={p}"),
            Self::Noise { std } => write!(f, "noise:std={std}"),
        }
    }
}

impl FromStr for Augment {
    type Err = Error;

    /// One augmentation by name and numbers, such as `crop:padding=4`; all numbers may be left out.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (name, list) = text.split_once(':').unwrap_or((text, ""));
        let mut n = Pairs::of("augmentation", text, list)?;
        let augment = match name.trim() {
            "crop" => Self::RandomCrop { padding: n.number("padding", Some(4))? },
            "resized_crop" => Self::RandomResizedCrop { scale: n.range("scale", (0.08, 1.0))? },
            "flip" => Self::HorizontalFlip { p: n.number("p", Some(0.5))? },
            "vertical_flip" => Self::VerticalFlip { p: n.number("p", Some(0.5))? },
            "rotation" => Self::Rotation { degrees: n.number("degrees", Some(10.0))? },
            "affine" => Self::Affine {
                degrees: n.number("degrees", Some(10.0))?,
                translate: n.number("translate", Some(0.0))?,
                scale: n.range("scale", (1.0, 1.0))?,
                shear: n.number("shear", Some(0.0))?,
            },
            "jitter" => Self::ColorJitter {
                brightness: n.number("brightness", Some(0.2))?,
                contrast: n.number("contrast", Some(0.2))?,
                saturation: n.number("saturation", Some(0.2))?,
            },
            "erase" => Self::Erase { p: n.number("p", Some(0.5))? },
            "noise" => Self::Noise { std: n.number("std", Some(0.1))? },
            _ => return Err(Error::argument("augmentation", NAMES, text)),
        };
        n.end(name)?;
        augment.check()?;
        Ok(augment)
    }
}

impl Augment {
    /// Several augmentations, such as `flip,crop:padding=4,affine:degrees=5,shear=3`; none of an empty text.
    ///
    /// # Errors
    /// Names what is unknown or out of range.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        let mut each: Vec<String> = Vec::new();
        for piece in text.split(',').filter(|piece| !piece.trim().is_empty()) {
            // A key without a name belongs to the augmentation before it.
            match each.last_mut() {
                Some(last) if piece.contains('=') && !piece.contains(':') => {
                    last.push(if last.contains(':') { ',' } else { ':' });
                    last.push_str(piece);
                }
                _ => each.push(piece.to_owned()),
            }
        }
        each.iter().map(|text| text.parse()).collect()
    }

    /// As [`Augment::parse_all`] reads them.
    pub fn text_of(all: &[Self]) -> String {
        all.iter().map(Self::to_string).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        let text = "flip:p=0.5,vertical_flip:p=0.1,crop:padding=4,resized_crop:scale=0.2/0.9,rotation:degrees=10,\
            affine:degrees=3,translate=0.1,scale=0.9/1.1,shear=5,jitter:brightness=0.1,contrast=0.2,saturation=0.3,\
            erase:p=0.25,noise:std=0.05";
        let all = Augment::parse_all(text).unwrap();
        assert_eq!((all.len(), Augment::text_of(&all).as_str()), (9, text));
        assert_eq!(all[3], Augment::RandomResizedCrop { scale: (0.2, 0.9) });
        let short = Augment::parse_all(" flip , crop, padding = 2 ").unwrap();
        assert_eq!(short, [Augment::HorizontalFlip { p: 0.5 }, Augment::RandomCrop { padding: 2 }]);
        assert_eq!(Augment::parse_all("").unwrap(), []);
    }

    #[test]
    fn what_is_none_is_told() {
        for (text, part) in [
            ("flop", "crop, resized_crop, flip"),
            ("p=0.5", "crop, resized_crop, flip"),
            ("flip:p=half", "a number for p, got 'half'"),
            ("flip:p=1.5", "p: expected 0 to 1, got 1.5"),
            ("flip:p=NaN", "p: expected 0 to 1, got NaN"),
            ("crop:padding=-1", "a number for padding"),
            ("crop:size=3", "what crop takes, got size"),
            ("resized_crop:scale=1", "two numbers"),
            ("resized_crop:scale=0.9/0.2", "scale: expected 0.001 to 0.2, got 0.9"),
            ("crop:4", "KEY=NUMBER"),
        ] {
            let told = Augment::parse_all(text).unwrap_err().to_string();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
