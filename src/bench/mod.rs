//! Times of kernels on the user's adapter: what `nf-gpu bench` measures.

use crate::{
    error::Result,
    gpu::{Clock, Gpu, Program, Tape},
    kernel::Plan,
    ops::{
        self,
        conv2d::{Conv2d, Fusion},
    },
    shape::{Nhwc, Window},
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One timed shape of one kernel.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Kernel and role.
    pub case: String,
    /// Shape.
    pub shape: String,
    /// Variant that ran.
    pub variant: &'static str,
    /// Operations of one dispatch.
    pub flops: u64,
    /// Dispatches in the median.
    pub samples: usize,
    /// Where the times come from.
    pub clock: Clock,
    /// Milliseconds of one dispatch: median.
    pub median_ms: f64,
    /// First quartile.
    pub lower_ms: f64,
    /// Third quartile.
    pub upper_ms: f64,
    /// Operations per second at the median, in billions.
    pub gflops: f64,
}

/// Time spent on each case.
const BUDGET: Duration = Duration::from_millis(1500);

/// Convolution at N=16, C=K=64, 32x32, 3x3: forward, input gradient and weight gradient.
///
/// # Errors
/// The device failed.
pub fn convolution(gpu: &Gpu) -> Result<Vec<Timing>> {
    let conv = Conv2d::forward(Nhwc::new(16, 32, 32, 64), 64, Window::square(3, 1, 1))?;
    let none = Fusion::default();
    let cases = [
        ("conv2d forward", ops::conv2d::plan(conv, none)?),
        ("conv2d input gradient", ops::conv2d::plan(conv.grad_input(), none)?),
        ("conv2d weight gradient", ops::conv2d_grad_weight::plan(conv)?),
    ];
    let shape = format!("{} {}", conv.x, conv.weights());
    cases.into_iter().map(|(case, plan)| time(gpu, case, &shape, &plan)).collect()
}

/// Times one plan on buffers of zeros: repeated dispatches, each alone.
fn time(gpu: &Gpu, case: &str, shape: &str, plan: &Plan) -> Result<Timing> {
    let mut tape = Tape::new();
    let buffers: Vec<_> = plan.bytes.iter().map(|&bytes| tape.kept("bench", bytes)).collect();
    tape.push(plan.clone(), &buffers)?;
    let program = Program::build(gpu, &tape)?;
    program.run(gpu)?; // compiles, and measures the program's pace
    gpu.wait("warm up")?;
    let (mut times, started) = (Vec::new(), Instant::now());
    let mut clock = Clock::SubmitToIdle;
    while times.len() < 5 || started.elapsed() < BUDGET {
        for step in program.profile(gpu)? {
            times.push(step.seconds * 1e3);
            clock = step.clock;
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[(times.len() - 1) * part / 4];
    Ok(Timing {
        case: case.to_owned(),
        shape: shape.to_owned(),
        variant: gpu.choose(plan)?.0.name,
        flops: plan.flops,
        samples: times.len(),
        clock,
        median_ms: at(2),
        lower_ms: at(1),
        upper_ms: at(3),
        gflops: plan.flops as f64 / at(2) / 1e6,
    })
}
