//! What the host must know of one WGSL kernel, and one planned use of it. No GPU in here.

use crate::error::{Error, Result};
use std::{fmt::Debug, sync::Arc};

/// One field of a uniform block, as the host lays it out.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, the same in WGSL.
    pub name: &'static str,
    /// Offset in bytes.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
}

/// A uniform block shared with WGSL; the interface test compares it with naga's view.
pub trait Params: bytemuck::Pod {
    /// Name of the struct, the same in WGSL.
    const NAME: &'static str;
    /// Its fields in order.
    const FIELDS: &'static [Field];
}

/// Declares a uniform block once: `repr(C)`, `Pod` and the field list that the interface test reads.
#[macro_export]
macro_rules! params {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$fdoc:meta])* $f:ident : $t:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$fdoc])* pub $f: $t),+ }
        impl $crate::kernel::Params for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::kernel::Field] = &[$($crate::kernel::Field {
                name: stringify!($f),
                offset: core::mem::offset_of!($name, $f),
                size: core::mem::size_of::<$t>(),
            }),+];
        }
    };
}

/// Joins files of `shaders/` in the order given, by their paths: shared pieces and a kernel's own file.
#[macro_export]
macro_rules! wgsl {
    ($($path:literal $(/ $stem:literal)?),+ $(,)?) => {
        concat!($(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path, $("/", $stem,)? ".wgsl")),
            "\n",
        )+)
    };
}

/// How a binding is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The parameter block, always binding 0.
    Uniform,
    /// Read-only storage.
    Read,
    /// Storage that the kernel writes.
    ReadWrite,
}

/// Names of the bindings that kernels write words of bits to; all others hold floats.
pub const WORDS: &[&str] = &["arg", "correct", "flips", "found", "mask_out", "packed", "totals"];

/// What an adapter must have for a variant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requires {
    /// Plain WGSL.
    Nothing,
    /// Subgroup operations with exactly this many lanes, minimum and maximum alike.
    Subgroup(u32),
    /// 16-bit floats.
    Half,
    /// 64-bit integers.
    Int64,
    /// Square cooperative matrices of this size, f16 products summed in f32, in subgroups of any
    /// number of lanes.
    CooperativeMatrix(u32),
}

/// Which adapters a variant is the better choice for, before anything is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suits {
    /// All.
    Any,
    /// GPUs.
    Hardware,
    /// Adapters that compute on the CPU, where workgroup memory and barriers only cost.
    Software,
}

/// One way to compute a kernel: a shader file with its workgroup sizes.
#[derive(Debug)]
pub struct Variant {
    /// Name within the kernel (`tile`, `subgroup8`).
    pub name: &'static str,
    /// Stem of its file in the kernel's family, a folder of `shaders/`.
    pub stem: &'static str,
    /// The joined source.
    pub wgsl: &'static str,
    /// Workgroup sizes it may run with, the default first; reaches WGSL as the override `WG_SIZE`.
    pub workgroups: &'static [u32],
    /// Items of [`Grid::Tiles`] that one workgroup of the given size covers, per axis.
    pub tile: fn(u32) -> [u32; 3],
    /// What the adapter must have.
    pub requires: Requires,
    /// Where it comes before the others.
    pub suits: Suits,
    /// It computes only what plans with this constant ask for; none: whatever the kernel does.
    pub only: Option<(&'static str, u32)>,
    /// Compiled without bounds checks and loop bounding: only for hot kernels whose conformance
    /// cases pass with the checks on.
    pub trusted: bool,
}

/// One kernel: its interface, and the variants that share it (best first).
#[derive(Debug)]
pub struct KernelDesc {
    /// Stem of the kernel, the same in pipelines, reports and cases.
    pub name: &'static str,
    /// Name of the uniform struct.
    pub params_name: &'static str,
    /// Its fields.
    pub params: &'static [Field],
    /// Bindings in order; binding 0 is the uniform block.
    pub bindings: &'static [(&'static str, Access)],
    /// Ways to compute it, the best first; [`Self::ordered`] says which is the default.
    pub variants: &'static [Variant],
}

impl Variant {
    /// The usual one, of the shader `stem`: plain WGSL for every adapter, no tiles, workgroups as of
    /// elementwise kernels, compiled with run-time checks. Others say what differs.
    #[must_use]
    pub const fn usual(name: &'static str, stem: &'static str, wgsl: &'static str) -> Self {
        Self {
            name,
            stem,
            wgsl,
            workgroups: WORKGROUPS,
            tile: no_tile,
            requires: Requires::Nothing,
            suits: Suits::Any,
            only: None,
            trusted: false,
        }
    }

    /// Whether it computes what a plan of its kernel asks for.
    #[must_use]
    pub fn serves(&self, plan: &Plan) -> bool {
        self.only.is_none_or(|(name, value)| {
            plan.constants
                .iter()
                .any(|&(n, v)| n == name && v.to_bits() == f64::from(value).to_bits())
        })
    }
}

impl KernelDesc {
    /// The variants as one adapter should try them: those that suit it, then the others.
    #[must_use]
    pub fn ordered(&self, software: bool) -> Vec<&'static Variant> {
        let suited = |v: &&Variant| match v.suits {
            Suits::Any => true,
            Suits::Hardware => !software,
            Suits::Software => software,
        };
        let (mut first, others): (Vec<_>, Vec<_>) = self.variants.iter().partition(suited);
        first.extend(others);
        first
    }
}

/// Workgroup sizes of elementwise kernels and reductions.
pub const WORKGROUPS: &[u32] = &[64, 32, 128, 256];

/// For variants whose grid is not made of tiles.
#[must_use]
pub fn no_tile(_workgroup: u32) -> [u32; 3] {
    [1, 1, 1]
}

/// Declares the usual kernel: one variant, `shaders/<family>/<name>.wgsl`, four workgroup sizes; compiled
/// with run-time checks unless it says `trusted: true`.
#[macro_export]
macro_rules! kernel {
    ($family:literal / $name:literal, $params:ty, lib: [$($lib:literal),* $(,)?], bindings: [$(($b:literal, $a:ident)),+ $(,)?] $(, trusted: $trusted:literal)? $(,)?) => {
        /// The kernel's interface and its variants.
        pub static KERNEL: $crate::kernel::KernelDesc = $crate::kernel::KernelDesc {
            name: $name,
            params_name: <$params as $crate::kernel::Params>::NAME,
            params: <$params as $crate::kernel::Params>::FIELDS,
            bindings: &[("params", $crate::kernel::Access::Uniform), $(($b, $crate::kernel::Access::$a)),+],
            variants: &[$crate::kernel::Variant {
                trusted: false $(|| $trusted)?,
                ..$crate::kernel::Variant::usual("plain", $name, $crate::wgsl!($($lib,)* $family / $name))
            }],
        };
    };
}

/// How much work there is; the variant and its workgroup size turn it into workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// So many invocations.
    Items(u64),
    /// So many workgroups.
    Groups(u64),
    /// Items along three axes, covered by tiles; groups are numbered with the first axis fastest.
    Tiles([u32; 3]),
}

/// WebGPU's limit of workgroups along one dimension.
pub const MAX_GROUPS: u64 = 65_535;

/// What plans have in common that one measurement decides for: constants, window, channels, size.
#[derive(Clone, Debug)]
pub struct Class {
    /// In words, within the kernel: `3x3s1p1 32x32x64>32x32x64 n16 relu`.
    pub name: String,
    /// Storage bindings that hold bits; the others hold floats.
    pub words: &'static [&'static str],
    /// Relative rounding of one operation of the arithmetic that the plan asks for.
    pub eps: f64,
    /// Plans less of the same, to measure on that.
    pub less: Arc<dyn Less>,
}

/// Plans about half of a computation: of its images, then of its copies.
pub trait Less: Debug + Send + Sync {
    /// The smaller plan, if there is one.
    fn half(&self) -> Option<Result<Plan>>;
}

/// One use of a kernel, decided without a GPU.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kernel.
    pub kernel: &'static KernelDesc,
    /// Bytes of its uniform block.
    pub params: Vec<u8>,
    /// Override constants beside `WG_SIZE`.
    pub constants: Vec<(&'static str, f64)>,
    /// How much work.
    pub grid: Grid,
    /// Bytes that each storage binding must hold, in binding order after the parameters.
    pub bytes: Vec<u64>,
    /// Variant to try first; the shape favours it.
    pub variant: Option<&'static str>,
    /// Floating-point operations (or operations of the kernel's kind), for budgets and benchmarks.
    pub flops: u64,
    /// The class to measure variants for; none: the default is right for every shape.
    pub class: Option<Class>,
}

impl Plan {
    /// A plan with the given parameters; `bytes` are the sizes of the storage bindings.
    pub fn new<P: Params>(
        kernel: &'static KernelDesc,
        params: &P,
        grid: Grid,
        bytes: Vec<u64>,
    ) -> Self {
        debug_assert_eq!(bytes.len() + 1, kernel.bindings.len(), "{}", kernel.name);
        let flops = bytes.iter().sum::<u64>() / 4;
        let params = bytemuck::bytes_of(params).to_vec();
        let (constants, variant, class) = (Vec::new(), None, None);
        Self { kernel, params, constants, grid, bytes, variant, flops, class }
    }

    /// The same plan with the override constant `name` set.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// The same plan with a variant to try first.
    #[must_use]
    pub fn preferring(mut self, variant: &'static str) -> Self {
        self.variant = Some(variant);
        self
    }

    /// The same plan with its number of operations stated.
    #[must_use]
    pub fn costing(mut self, flops: u64) -> Self {
        self.flops = flops;
        self
    }

    /// The same plan with the class that it is measured in.
    #[must_use]
    pub fn classed(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    /// The question which variant to use, if measuring can answer it: kernel and class.
    #[must_use]
    pub fn question(&self) -> Option<String> {
        self.class.as_ref().map(|class| format!("{} {}", self.kernel.name, class.name))
    }

    /// Workgroups of a variant at a workgroup size.
    #[must_use]
    pub fn groups(&self, variant: &Variant, workgroup: u32) -> u64 {
        match self.grid {
            Grid::Items(n) => n.div_ceil(u64::from(workgroup)),
            Grid::Groups(n) => n,
            Grid::Tiles(items) => {
                let tile = (variant.tile)(workgroup);
                items.iter().zip(tile).map(|(&i, t)| u64::from(i.div_ceil(t))).product()
            }
        }
    }
}

/// The size class of a number: the next power of two.
#[must_use]
pub fn bucket(n: u32) -> u32 {
    n.max(1).checked_next_power_of_two().unwrap_or(1 << 31)
}

/// Folds a number of workgroups into two dimensions within [`MAX_GROUPS`]; WGSL undoes it with
/// `group_index` of `shaders/lib/grid.wgsl`, and drops the few groups past the end.
///
/// # Errors
/// More than 65,535 squared workgroups.
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
