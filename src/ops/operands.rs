//! In which precision the operands of a kernel's products enter.

/// Precision of both operands of every product; products are summed in f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operands {
    /// As they are.
    #[default]
    F32,
    /// Rounded to f16: to nearest, ties to even; finite values beyond 65504 to that; NaN and
    /// infinities stay. What cooperative matrices compute, and every other variant too.
    F16,
}

impl Operands {
    /// Value of the override constant `HALF` of `shaders/lib/operand.wgsl`.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
        }
    }

    /// `f32` or `f16`, as `--dtype` and every record have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Relative rounding of one addition; every variant gets the same products. Matrix units may cut
    /// where others round, always towards 0.
    #[must_use]
    pub fn eps(self) -> f64 {
        f64::from(f32::EPSILON)
            * match self {
                Self::F32 => 1.0,
                Self::F16 => 4.0,
            }
    }
}
