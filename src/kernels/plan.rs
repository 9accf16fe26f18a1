//! One planned use of a kernel, and common parts of plans. No GPU is involved.

use crate::{
    error::{Error, Result},
    kernels::desc::{KernelDesc, Params, Variant},
};
use std::{fmt::Debug, sync::Arc};

/// How much work there is; the variant and its workgroup size turn it into workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DispatchGrid {
    /// Number of invocations.
    Items(u64),
    /// Number of workgroups.
    Groups(u64),
    /// Items along three axes, covered by tiles; groups are numbered with the first axis fastest.
    Tiles([u32; 3]),
}

/// WebGPU's limit of workgroups along one dimension.
pub const MAX_GROUPS: u64 = 65_535;

/// A class of plans for which one measurement decides: the same constants, window and channels,
/// similar sizes.
#[derive(Clone, Debug)]
pub struct Class {
    /// Name of the class within its kernel: `3x3s1p1 32x32x64>32x32x64 n16 relu`.
    pub name: String,
    /// Storage bindings that hold bits; the others hold floats.
    pub words: &'static [&'static str],
    /// Relative rounding of one operation of the arithmetic that the plan asks for.
    pub eps: f64,
    /// Makes smaller plans of the class, so that trials are short.
    pub less: Arc<dyn Less>,
}

/// Plans about half of a computation: half of its images, then half of its copies.
pub trait Less: Debug + Send + Sync {
    /// The smaller plan, if there is one.
    fn half(&self) -> Option<Result<Plan>>;
}

/// One use of a kernel, decided without a GPU.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kernel: &'static KernelDesc,
    /// Contents of the uniform block.
    pub params: Vec<u8>,
    /// Override constants beside `WG_SIZE`.
    pub constants: Vec<(&'static str, f64)>,
    /// Amount of work.
    pub grid: DispatchGrid,
    /// Bytes that each storage binding must hold, in binding order after the parameters.
    pub bytes: Vec<u64>,
    /// Variants to try first, because they suit the shape, the best first.
    pub preferred: &'static [&'static str],
    /// Floating-point operations (or operations of the kernel's kind), for budgets and benchmarks.
    pub flops: u64,
    /// The class in which variants are measured; with `None` the default is used for every shape.
    pub class: Option<Class>,
}

impl Plan {
    /// A plan with the given parameters; `bytes` are the sizes of the storage bindings.
    pub fn new<P: Params>(
        kernel: &'static KernelDesc,
        params: &P,
        grid: DispatchGrid,
        bytes: Vec<u64>,
    ) -> Self {
        debug_assert_eq!(bytes.len() + 1, kernel.bindings.len(), "{}", kernel.name);
        let flops = bytes.iter().sum::<u64>() / 4;
        let params = bytemuck::bytes_of(params).to_vec();
        let (constants, preferred, class) = (Vec::new(), [].as_slice(), None);
        Self { kernel, params, constants, grid, bytes, preferred, flops, class }
    }

    /// The same plan with the override constant `name` set.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// The same plan with variants to try first, on adapters that they suit.
    #[must_use]
    pub fn preferring(mut self, variants: &'static [&'static str]) -> Self {
        self.preferred = variants;
        self
    }

    /// The same plan with its number of operations stated.
    #[must_use]
    pub fn costing(mut self, flops: u64) -> Self {
        self.flops = flops;
        self
    }

    /// The same plan with the class in which variants are measured.
    #[must_use]
    pub fn classed(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    /// Bytes that the storage binding of this name must hold; 0 for a name that the kernel does not have, which
    /// no tape accepts.
    pub fn bytes_of(&self, binding: &str) -> u64 {
        let storage = self.kernel.bindings.iter().skip(1);
        storage.zip(&self.bytes).find(|((name, _), _)| *name == binding).map_or(0, |(_, &b)| b)
    }

    /// The question which variant to use, as text: kernel and class. `None` if it is not measured.
    pub fn question(&self) -> Option<String> {
        self.class.as_ref().map(|class| format!("{} {}", self.kernel.name, class.name))
    }

    /// Workgroups of a variant at a workgroup size.
    pub fn groups(&self, variant: &Variant, workgroup: u32) -> u64 {
        match self.grid {
            DispatchGrid::Items(n) => n.div_ceil(u64::from(workgroup)),
            DispatchGrid::Groups(n) => n,
            DispatchGrid::Tiles(items) => {
                let tile = (variant.tile)(workgroup);
                items.iter().zip(tile).map(|(&i, t)| u64::from(i.div_ceil(t))).product()
            }
        }
    }
}

impl Variant {
    /// Whether the variant computes what a plan of its kernel asks for.
    pub fn serves(&self, plan: &Plan) -> bool {
        self.only.is_none_or(|(name, value)| {
            plan.constants
                .iter()
                .any(|&(n, v)| n == name && v.to_bits() == f64::from(value).to_bits())
        })
    }
}

/// Precision of both operands of every product; products are summed in f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Operands are used as they are.
    #[default]
    F32,
    /// Operands are rounded to f16: to nearest, ties to even; finite values beyond 65504 become 65504;
    /// NaN and infinities stay. Cooperative matrices compute with f16, and every other variant rounds
    /// in the same way.
    F16,
}

impl Dtype {
    /// Value of the override constant `DTYPE` of `shaders/lib/operand.wgsl`.
    pub fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
        }
    }

    /// `f32` or `f16`, as in `--dtype` and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Relative rounding of one addition; the products are the same in every variant. With f16 it is
    /// larger, because matrix units may truncate towards 0 instead of rounding.
    pub fn eps(self) -> f64 {
        f64::from(f32::EPSILON)
            * match self {
                Self::F32 => 1.0,
                Self::F16 => 4.0,
            }
    }
}

/// Whether a gradient replaces what its buffer holds or is added to it: the first part of a batch
/// replaces, later parts add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// The gradient replaces what is there.
    Replace,
    /// The gradient is added to what is there.
    Add,
}

impl Accumulate {
    /// The mode for the part of a batch with this index.
    pub fn of_part(part: usize) -> Self {
        if part == 0 { Self::Replace } else { Self::Add }
    }
}

/// The size class of a number: the smallest power of two that is not below it.
pub fn bucket(n: u32) -> u32 {
    n.max(1).checked_next_power_of_two().unwrap_or(1 << 31)
}

/// Folds a number of workgroups into two dimensions within [`MAX_GROUPS`]; WGSL undoes it with
/// `group_index` of `shaders/lib/grid.wgsl`, and drops the few groups past the end.
///
/// # Errors
/// More workgroups than 65,535 squared.
pub fn fold(groups: u64) -> Result<[u32; 3]> {
    let rows = groups.div_ceil(MAX_GROUPS).max(1);
    let columns = groups.div_ceil(rows).max(1);
    match (u32::try_from(columns), u32::try_from(rows)) {
        (Ok(x), Ok(y)) if rows <= MAX_GROUPS => Ok([x, y, 1]),
        _ => Err(Error::Shape(format!("{groups} workgroups are too many for one dispatch"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_covers_every_group_and_wastes_less_than_a_row() {
        for groups in [1, 2, 65_534, 65_535, 65_536, 65_537, 131_071, 1_000_003, 4_000_000_007] {
            let [x, y, z] = fold(groups).unwrap();
            let covered = u64::from(x) * u64::from(y);
            assert!(covered >= groups && covered - groups < u64::from(y), "{groups}");
            assert!(u64::from(x) <= MAX_GROUPS && u64::from(y) <= MAX_GROUPS && z == 1);
        }
        assert!(fold(MAX_GROUPS * MAX_GROUPS + 1).is_err());
    }
}
