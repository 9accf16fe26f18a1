//! Description of one WGSL kernel for the host: its uniform block, its bindings and the variants that share
//! them. No GPU is involved.

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
    /// Fields of the struct in order.
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
        impl $crate::kernels::desc::Params for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::kernels::desc::Field] = &[$($crate::kernels::desc::Field {
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
    /// number of lanes, and [`MATRIX_BYTES`] of workgroup memory.
    CooperativeMatrix(u32),
    /// The same, where subgroups may have 64 lanes: half as many of them share the same work.
    WideCooperativeMatrix(u32),
}

/// Bytes of workgroup memory that variants with cooperative matrices may use. WebGPU guarantees 16 KiB, which is the limit
/// of all others.
pub const MATRIX_BYTES: u32 = 20 << 10;

impl Requires {
    /// Size of the cooperative matrices.
    #[must_use]
    pub fn matrix(self) -> Option<u32> {
        match self {
            Self::CooperativeMatrix(size) | Self::WideCooperativeMatrix(size) => Some(size),
            Self::Nothing | Self::Subgroup(_) | Self::Half | Self::Int64 => None,
        }
    }
}

/// The adapters for which a variant is preferred before anything is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suits {
    /// All adapters.
    Any,
    /// Hardware GPUs.
    Hardware,
    /// Adapters that compute on the CPU, where workgroup memory and barriers only cost.
    Software,
}

impl Suits {
    /// Whether an adapter is among them: one that computes on the CPU (`software`), or a hardware GPU.
    pub fn include(self, software: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Hardware => !software,
            Self::Software => software,
        }
    }

    /// Whether an adapter measures such a variant: a software adapter measures none of hardware, which it would take
    /// seconds to compile; hardware measures all.
    pub fn is_measured(self, software: bool) -> bool {
        !software || self.include(software)
    }
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
    /// Items of [`crate::kernels::plan::DispatchGrid::Tiles`] that one workgroup of the given size covers, per axis.
    pub tile: fn(u32) -> [u32; 3],
    /// What the adapter must have.
    pub requires: Requires,
    /// Adapters on which it is tried before other variants.
    pub suits: Suits,
    /// If given, the variant serves only plans with this value of an override constant; with `None` it
    /// serves all.
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
    /// Fields of the uniform struct.
    pub params: &'static [Field],
    /// Bindings in order; binding 0 is the uniform block.
    pub bindings: &'static [(&'static str, Access)],
    /// Variants, the best first; [`Self::ordered`] says which is the default.
    pub variants: &'static [Variant],
}

impl Variant {
    /// The usual variant, of the shader `stem`: plain WGSL for every adapter, no tiles, the workgroup sizes
    /// of elementwise kernels, compiled with run-time checks. Other variants override fields of it.
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

    /// A hot variant for every adapter.
    pub const fn hot(name: &'static str, stem: &'static str, wgsl: &'static str) -> Self {
        Self { trusted: true, ..Self::usual(name, stem, wgsl) }
    }

    /// A hot variant for hardware, whose workgroups share tiles.
    pub const fn tiled(name: &'static str, stem: &'static str, wgsl: &'static str) -> Self {
        Self { suits: Suits::Hardware, ..Self::hot(name, stem, wgsl) }
    }

    /// A hot variant for adapters that compute on the CPU, whose workgroups are subgroups of 8 lanes.
    pub const fn of_8_lanes(name: &'static str, stem: &'static str, wgsl: &'static str) -> Self {
        Self {
            workgroups: &[8],
            requires: Requires::Subgroup(8),
            suits: Suits::Software,
            ..Self::hot(name, stem, wgsl)
        }
    }
}

impl KernelDesc {
    /// The variants as one adapter should try them: those that suit it, then the others.
    pub fn ordered(&self, software: bool) -> Vec<&'static Variant> {
        let suited = |v: &&Variant| v.suits.include(software);
        let (mut first, others): (Vec<_>, Vec<_>) = self.variants.iter().partition(suited);
        first.extend(others);
        first
    }
}

/// Workgroup sizes of elementwise kernels and reductions.
pub const WORKGROUPS: &[u32] = &[64, 32, 128, 256];

/// The `tile` of variants whose grid is not made of tiles.
pub fn no_tile(_workgroup: u32) -> [u32; 3] {
    [1, 1, 1]
}

/// Declares the usual kernel: one variant, `shaders/<family>/<name>.wgsl`, four workgroup sizes; compiled
/// with run-time checks unless it says `trusted: true`.
#[macro_export]
macro_rules! kernel {
    ($static:ident: $family:literal / $name:literal, $params:ty, lib: [$($lib:literal),* $(,)?], bindings: [$(($b:literal, $a:ident)),+ $(,)?] $(, trusted: $trusted:literal)? $(,)?) => {
        /// The kernel's interface and its variants.
        pub static $static: $crate::kernels::desc::KernelDesc = $crate::kernels::desc::KernelDesc {
            name: $name,
            params_name: <$params as $crate::kernels::desc::Params>::NAME,
            params: <$params as $crate::kernels::desc::Params>::FIELDS,
            bindings: &[("params", $crate::kernels::desc::Access::Uniform), $(($b, $crate::kernels::desc::Access::$a)),+],
            variants: &[$crate::kernels::desc::Variant {
                trusted: false $(|| $trusted)?,
                ..$crate::kernels::desc::Variant::usual("plain", $name, $crate::wgsl!($($lib,)* $family / $name))
            }],
        };
    };
}
