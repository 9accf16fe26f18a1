//! How a training step grows: its time and memory against copies, images, their side, and the width of the base.

use super::{
    Effort, StepSettings, go_on,
    steps::{CLASSES, GeneratorStep, walls},
};
use crate::{
    error::Result,
    models,
    report::bench_json::{Growth, GrowthPoint, Times},
    run::Gpu,
};

/// The generator of the step. Its base network is ResNet-20, of any width.
const GENERATOR: &str = "ConvS";
/// The step in words.
const STEP: &str = "ConvS before ResNet-20";
/// Rows and columns of the images, and channels of the base's first stage, where these do not grow.
const SIDE: u32 = 32;
const WIDTH: u32 = 16;

/// How large a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    copies: u32,
    batch: u32,
    side: u32,
    width: u32,
}

/// What grows while the rest of a step stays.
struct Axis {
    /// What is counted.
    name: &'static str,
    /// The numbers that are measured, in halves of the usual one; a glance leaves out the last.
    halves: [u32; 4],
    /// The number, and the size that has another one.
    number: fn(Size) -> u32,
    with: fn(Size, u32) -> Size,
}

const AXES: &[Axis] = &[
    Axis {
        name: "perturbed copies",
        halves: [1, 2, 4, 8],
        number: |size| size.copies,
        with: |size, copies| Size { copies, ..size },
    },
    Axis {
        name: "images of a batch",
        halves: [1, 2, 4, 8],
        number: |size| size.batch,
        with: |size, batch| Size { batch, ..size },
    },
    Axis {
        name: "rows and columns",
        halves: [1, 2, 3, 4],
        number: |size| size.side,
        with: |size, side| Size { side, ..size },
    },
    Axis {
        name: "channels of the base",
        halves: [1, 2, 4, 8],
        number: |size| size.width,
        with: |size, width| Size { width, ..size },
    },
];

impl Axis {
    /// The sizes that are measured, the smallest first, none twice.
    fn sizes(&self, usual: Size, quick: bool) -> Vec<Size> {
        let halves = &self.halves[..if quick { 3 } else { 4 }];
        let number = |half: &u32| ((self.number)(usual).saturating_mul(*half) / 2).max(1);
        let mut numbers: Vec<u32> = halves.iter().map(number).collect();
        numbers.dedup();
        numbers.into_iter().map(|number| (self.with)(usual, number)).collect()
    }
}

/// Times a step at all sizes, each once; `stop` is asked before each, and `each` is called with its place among all.
/// `done` is given what is known of a quantity, and the reasons why a size does not fit the adapter.
pub fn scaling(
    gpu: &Gpu,
    settings: StepSettings,
    quick: bool,
    effort: Effort,
    mut each: impl FnMut(usize, usize),
    mut done: impl FnMut(Growth, Vec<String>),
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let StepSettings { batch, copies, .. } = settings;
    let usual = Size { copies, batch, side: SIDE, width: WIDTH };
    let all: Vec<(&Axis, Vec<Size>)> =
        AXES.iter().map(|axis| (axis, axis.sizes(usual, quick))).collect();
    // Every axis goes through the usual size, which is measured once.
    let several = all.iter().map(|(_, sizes)| sizes.iter().filter(|&&s| s != usual).count());
    let (mut at, of) = (0, 1 + several.sum::<usize>());
    each(at, of);
    let of_usual = measure(gpu, usual, settings, effort)?;
    for (axis, sizes) in all {
        let (mut points, mut missing) = (Vec::new(), Vec::new());
        let ended = sizes.into_iter().try_for_each(|size| {
            let number = (axis.number)(size);
            if size == usual {
                points.push(GrowthPoint { number, ..of_usual });
                return Ok(());
            }
            go_on(stop)?;
            at += 1;
            each(at, of);
            match measure(gpu, size, settings, effort) {
                Ok(point) => points.push(GrowthPoint { number, ..point }),
                Err(e) if e.is_size() => {
                    missing.push(format!("not measured, {} {number}: {e}", axis.name));
                }
                Err(e) => return Err(e),
            }
            Ok(())
        });
        done(Growth::of(STEP, (axis.name, (axis.number)(usual)), points), missing);
        ended?;
    }
    Ok(())
}

/// A step of a size, without its number on an axis.
fn measure(
    gpu: &Gpu,
    Size { copies, batch, side, width }: Size,
    settings: StepSettings,
    effort: Effort,
) -> Result<GrowthPoint> {
    let base = models::resnet20_of(side, width, CLASSES)?;
    let generator = models::generator(GENERATOR, [3, side, side])?;
    let settings = StepSettings { batch, copies, ..settings };
    let mut step = GeneratorStep::of(gpu, (&generator, &base), settings)?;
    let times = Times::of(&walls(gpu, &mut step, effort)?);
    Ok(GrowthPoint { number: 0, times, bytes: step.bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_changes_one_number_and_no_size_comes_twice() {
        let usual = Size { copies: 2, batch: 32, side: 32, width: 16 };
        let numbers: Vec<Vec<u32>> = AXES
            .iter()
            .map(|axis| axis.sizes(usual, false).iter().map(|&s| (axis.number)(s)).collect())
            .collect();
        let wanted =
            [[1, 2, 4, 8], [16, 32, 64, 128], [16, 32, 48, 64], [8, 16, 32, 64]].map(Vec::from);
        assert_eq!(numbers, wanted);
        for axis in AXES {
            let sizes = axis.sizes(usual, true);
            assert!(sizes.len() == 3 && sizes.contains(&usual), "{}", axis.name);
            for size in sizes {
                assert_eq!((axis.with)(size, (axis.number)(usual)), usual, "{}", axis.name);
            }
        }
        // One copy cannot be halved.
        let one = AXES[0].sizes(Size { copies: 1, ..usual }, false);
        assert_eq!(one.iter().map(|s| s.copies).collect::<Vec<_>>(), [1, 2, 4]);
    }
}
