//! Cases to time: the kernels that networks spend their time in, at the shapes of networks.

mod convolution;
mod elementwise;
mod weights;

use super::{Effort, data, go_on, time::Timed};
use crate::{
    error::{Error, Result},
    fault,
    kernels::{
        conv::conv2d::{Conv2d, Epilogue},
        plan::Plan,
        winograd::Form,
    },
    nn::{Algorithm, ConvOperands},
    report::bench_json::{self, Ceiling, Summary, per_second, roof},
    run::Gpu,
};
use std::collections::BTreeSet;

/// A plan to time.
struct Spec {
    /// What it computes, such as `conv2d forward`.
    role: String,
    shape: String,
    plan: Plan,
    /// The convolution, if the plan is one, and the largest of Winograd's forms that may compute it instead of one
    /// dispatch.
    conv: Option<(Conv2d, Epilogue, Form)>,
    /// The networks that it belongs to, and how often they run it.
    of: Vec<(String, u32)>,
}

/// How large the cases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseSettings {
    /// Images of a batch.
    pub batch: u32,
    /// Also `resnet18`'s layers with operands rounded to f16.
    pub half: bool,
    /// One case of each kernel, as networks use it, instead of all their layers and variants.
    pub glance: bool,
}

/// Position of a case among all cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CasePosition {
    /// Number of cases before it; their variants do not count.
    pub before: usize,
    /// Number of all cases.
    pub all: usize,
}

impl CaseSettings {
    /// 32 images on a software adapter, else 256; a quarter of them for a glance.
    pub fn of(gpu: &Gpu, quick: bool) -> Self {
        let software = gpu.report().is_software();
        let batch = if software { 32 } else { 256 };
        // Without hardware for f16, rounding only makes kernels slower.
        let half = !software && gpu.report().f16;
        Self { batch: if quick { batch / 4 } else { batch }, half, glance: false }
    }
}

fn specs(settings: CaseSettings) -> Result<Vec<Spec>> {
    let mut specs = convolution::specs(settings)?;
    specs.extend(elementwise::specs(settings.batch)?);
    specs.extend(weights::specs()?);
    if settings.glance {
        let mut seen = BTreeSet::new();
        specs.retain(|spec| seen.insert(spec.role.clone()));
        // One layer says nothing of its whole network.
        specs.iter_mut().for_each(|spec| spec.of.clear());
    }
    Ok(specs)
}

/// Names of the kernels that have cases and that the glob `pattern` fits.
pub fn kernel_names(pattern: &str) -> Result<Vec<&'static str>> {
    let mut all: Vec<_> = specs(CaseSettings { batch: 1, half: true, glance: false })?
        .iter()
        .map(|s| s.plan.kernel.name)
        .collect();
    all.sort_unstable();
    all.dedup();
    let fits: Vec<_> = all.iter().filter(|name| fault::matches(pattern, name)).copied().collect();
    if fits.is_empty() {
        return Err(Error::unknown("kernel", pattern, all));
    }
    Ok(fits)
}

/// Times the cases of these kernels, and of the shapes that the glob fits, with every candidate here. `each` is given
/// every result as it is done, and `stop` is asked before the next.
///
/// # Errors
/// [`Error::Argument`] for `--case` if no shape fits; [`Error::Interrupted`].
pub fn cases(
    gpu: &Gpu,
    (kernels, shapes): (&[&str], Option<&str>),
    settings: CaseSettings,
    effort: Effort,
    ceilings: &[Ceiling],
    mut each: impl FnMut(bench_json::TimedCase, CasePosition),
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Summary>> {
    let mut sums = Sums::default();
    let fits = |spec: &&Spec| {
        let limits = gpu.limits();
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        kernels.contains(&spec.plan.kernel.name) && spec.plan.bytes.iter().all(|&b| b <= limit)
    };
    let specs = specs(settings)?;
    let mut specs: Vec<&Spec> = specs.iter().filter(fits).collect();
    if let Some(shapes) = shapes {
        let example = specs.first().map_or_else(String::new, |spec| spec.shape.clone());
        specs.retain(|spec| fault::matches(shapes, &spec.shape));
        if specs.is_empty() {
            let what = format!("no shape of these kernels fits {shapes:?}");
            return Err(Error::argument("--case", what, format!("a shape is {example:?}")));
        }
    }
    let software = gpu.report().is_software();
    for (before, &spec) in specs.iter().enumerate() {
        let place = CasePosition { before, all: specs.len() };
        for way in ways(gpu, spec)?.iter().filter(|way| way.chosen || !settings.glance) {
            go_on(stop)?;
            let effort = if way.chosen || !software { effort } else { effort.aside() };
            let (times, clock) = way.timed(gpu, spec)?.repeat(gpu, effort)?;
            let bytes = spec.plan.bytes.iter().sum();
            let mut case = bench_json::TimedCase {
                kernel: spec.plan.kernel.name.into(),
                case: spec.role.clone(),
                variant: way.name.into(),
                workgroup: way.workgroup,
                chosen: way.chosen,
                shape: spec.shape.clone(),
                networks: spec.of.iter().map(|(name, _)| name.clone()).collect(),
                flops: spec.plan.flops,
                bytes,
                clock: data::clock(clock),
                times,
                gflops: times.rate(spec.plan.flops),
                gb_s: times.rate(bytes),
                share: None,
                bound: None,
            };
            roof::place(&mut case, ceilings);
            each(case, place);
            if way.chosen {
                sums.add(spec, times.median_ms);
            }
        }
    }
    let fma = ceilings.iter().find(|c| c.name == "fma-f32").map(|c| c.rate);
    Ok(sums.summaries(fma))
}

/// Updates the shares of the ceilings that cases and networks reached, after the ceilings were measured again.
pub fn place_again(
    cases: &mut [bench_json::TimedCase],
    summary: &mut [Summary],
    ceilings: &[Ceiling],
) {
    cases.iter_mut().for_each(|case| roof::place(case, ceilings));
    let fma = ceilings.iter().find(|c| c.name == "fma-f32").map(|c| c.rate);
    summary.iter_mut().for_each(|sum| sum.share = fma.map(|fma| sum.gflops / fma));
}

/// A way to compute a case.
struct Way {
    algorithm: Algorithm,
    /// Name of the variant, or of an algorithm other than the direct one.
    name: &'static str,
    /// Invocations in a workgroup; 0 for an algorithm of several dispatches.
    workgroup: u32,
    /// Whether networks compute the case in this way on this adapter.
    chosen: bool,
}

/// Every variant that this adapter measures, and Winograd's forms where there are any.
fn ways(gpu: &Gpu, spec: &Spec) -> Result<Vec<Way>> {
    let choose = |(conv, _, largest)| Algorithm::choose(gpu, conv, largest);
    let algorithm = spec.conv.map(choose).transpose()?;
    let taken = algorithm.unwrap_or(Algorithm::Direct);
    let (best, size) = gpu.choose(&spec.plan)?;
    let software = gpu.report().is_software();
    let mut ways = Vec::new();
    for variant in spec.plan.kernel.variants.iter().filter(|v| v.serves(&spec.plan)) {
        let is_best = std::ptr::eq(variant, best);
        if !is_best && !variant.suits.is_measured(software) {
            continue;
        }
        let runs = |size: &&u32| gpu.lacks(variant, **size).is_none();
        let own = if is_best { Some(&size) } else { variant.workgroups.iter().find(runs) };
        let chosen = is_best && taken == Algorithm::Direct;
        let algorithm = Algorithm::Direct;
        ways.extend(own.map(|&workgroup| Way { algorithm, name: variant.name, workgroup, chosen }));
    }
    let fits = |a: &Algorithm| {
        let of = |(conv, _, largest)| a.fits(conv) && a.is_within(largest);
        *a != Algorithm::Direct && spec.conv.is_some_and(of)
    };
    ways.extend(Algorithm::ALL.into_iter().filter(fits).map(|algorithm| Way {
        algorithm,
        name: algorithm.name(),
        workgroup: 0,
        chosen: taken == algorithm,
    }));
    Ok(ways)
}

impl Way {
    fn timed(&self, gpu: &Gpu, spec: &Spec) -> Result<Timed> {
        let Some((conv, epilogue, _)) = spec.conv.filter(|_| self.algorithm != Algorithm::Direct)
        else {
            return Timed::dispatch(gpu, &spec.plan, (self.name, self.workgroup));
        };
        Timed::of(gpu, &spec.plan, |tape, buffers| {
            let &[x, w, affine, residual, mask_in, y, mask_out] = buffers else {
                return Err(Error::Shape("conv2d has seven buffers".into()));
            };
            let operands = ConvOperands { x, w, affine, residual, mask_in, y, mask_out };
            self.algorithm.append(tape, conv, epilogue, &operands)
        })
    }
}

/// Operations and milliseconds of whole networks, in the order in which they were met.
#[derive(Default)]
struct Sums(Vec<(String, u64, f64)>);

impl Sums {
    fn add(&mut self, spec: &Spec, ms: f64) {
        for (network, times) in &spec.of {
            let flops = spec.plan.flops * u64::from(*times);
            let ms = ms * f64::from(*times);
            match self.0.iter_mut().find(|sum| sum.0 == *network) {
                Some(sum) => (sum.1, sum.2) = (sum.1 + flops, sum.2 + ms),
                None => self.0.push((network.clone(), flops, ms)),
            }
        }
    }

    fn summaries(self, fma: Option<f64>) -> Vec<Summary> {
        let summary = |(name, flops, ms): (String, u64, f64)| {
            let gflops = per_second(flops, ms);
            Summary { name, flops, gflops, share: fma.map(|fma| gflops / fma) }
        };
        // The passes of a network are listed one after the other.
        let network =
            |name: &str| name.split_once(' ').map_or(name, |(network, _)| network).to_owned();
        let order: Vec<String> = self.0.iter().map(|sum| network(&sum.0)).collect();
        let mut sums = self.0;
        sums.sort_by_key(|sum| order.iter().position(|o| *o == network(&sum.0)));
        sums.into_iter().map(summary).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::bench;

    #[test]
    fn every_case_can_be_planned_and_filled_and_none_is_there_twice() {
        let specs = specs(CaseSettings { batch: 2, half: true, glance: false }).unwrap();
        let mut seen = BTreeSet::new();
        for spec in &specs {
            let kernel = spec.plan.kernel;
            assert!(
                seen.insert(format!("{} {}", spec.role, spec.shape)),
                "{} {}",
                spec.role,
                spec.shape
            );
            let begin = kernel.name.split("_grad_weight").next().unwrap();
            assert!(spec.role.starts_with(begin), "{} of {}", spec.role, kernel.name);
            assert!(spec.plan.flops > 0, "{}", spec.role);
            for (i, &bytes) in spec.plan.bytes.iter().enumerate() {
                let words = data::contents(&spec.plan, i);
                assert_eq!(words.len() as u64, bytes / 4, "{}", spec.role);
            }
        }
        assert!(kernel_names("conv2d*").unwrap().contains(&"conv2d_grad_weight"));
        assert!(kernel_names("conv3d").unwrap_err().hint().unwrap().contains("conv2d"));
    }

    #[test]
    fn a_glance_has_a_case_of_every_kernel_and_few_of_any() {
        let roles = |glance| -> Vec<String> {
            let specs = specs(CaseSettings { batch: 2, half: true, glance }).unwrap();
            specs.into_iter().map(|spec| spec.plan.kernel.name.to_owned()).collect()
        };
        let (all, some) = (roles(false), roles(true));
        assert!(all.iter().all(|kernel| some.contains(kernel)), "{some:?}");
        assert!(some.len() < 60 && all.len() > 120, "{} of {}", some.len(), all.len());
    }

    #[test]
    fn a_network_is_the_sum_of_its_layers() {
        let plan = bench::bench_copy::plan(1 << 10).unwrap().costing(3_000_000);
        let spec = |times| Spec {
            role: String::new(),
            shape: String::new(),
            plan: plan.clone(),
            conv: None,
            of: vec![("net".into(), times), ("all".into(), 1)],
        };
        let mut sums = Sums::default();
        sums.add(&spec(2), 1.0);
        sums.add(&spec(1), 4.0);
        let summaries = sums.summaries(Some(3.0));
        let net = &summaries[0];
        assert_eq!((net.name.as_str(), net.flops), ("net", 9_000_000));
        assert!((net.gflops - 1.5).abs() < 1e-12 && (net.share.unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(summaries[1].flops, 6_000_000);
    }
}
