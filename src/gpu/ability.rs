//! Which variants an adapter can run, and in which order it tries them.

use super::device::Device;
use crate::kernels::{
    desc::{MATRIX_BYTES, Requires, Variant},
    plan::Plan,
};

impl Device {
    /// Why a variant cannot run here at a workgroup size, if it cannot.
    pub fn lacks(&self, variant: &Variant, workgroup: u32) -> Option<String> {
        let most = self.limits().max_compute_invocations_per_workgroup;
        if workgroup > most {
            return Some(format!("workgroups of {workgroup}: the adapter allows {most}"));
        }
        match variant.requires {
            Requires::Nothing => None,
            Requires::Subgroup(lanes) if self.subgroup() == Some(lanes) => None,
            Requires::Subgroup(lanes) => Some(match self.subgroup() {
                Some(here) => format!("subgroups of {lanes}: the adapter's have {here}"),
                None => format!("subgroups of exactly {lanes} lanes"),
            }),
            Requires::Half if self.report().f16 => None,
            Requires::Half => Some("16-bit floats".into()),
            Requires::Int64 if self.raw.features().contains(wgpu::Features::SHADER_INT64) => None,
            Requires::Int64 => Some("64-bit integers".into()),
            Requires::CooperativeMatrix(size) => self.lacks_matrices(size),
            Requires::WideCooperativeMatrix(size) => self.lacks_matrices(size).or_else(|| {
                let most = self.report().subgroup.map_or(0, |[_, most]| most);
                (most < 64).then(|| format!("subgroups of 64: the adapter's have up to {most}"))
            }),
        }
    }

    fn lacks_matrices(&self, size: u32) -> Option<String> {
        let report = self.report();
        if !(report.cooperative_matrix.contains(&size) && report.f16) {
            return Some(format!("cooperative matrices {size}x{size}x{size}, f16 summed in f32"));
        }
        let bytes = self.limits().max_compute_workgroup_storage_size;
        (bytes < MATRIX_BYTES).then(|| {
            format!("{MATRIX_BYTES} bytes of workgroup memory: the adapter allows {bytes}")
        })
    }

    /// The variants that compute what a plan asks for, in the order in which this adapter tries
    /// them: those that suit it, of these the ones that the shape favours before the rest, then the others.
    pub fn variants(&self, plan: &Plan) -> Vec<&'static Variant> {
        let software = self.report().is_software();
        let mut all = plan.kernel.ordered(software);
        all.retain(|v| v.serves(plan));
        let favoured = |v: &Variant| plan.preferred.iter().position(|&name| name == v.name);
        let rank = |v: &&Variant| favoured(v).filter(|_| v.suits.include(software));
        all.sort_by_key(|v| rank(v).unwrap_or(usize::MAX));
        all
    }
}
