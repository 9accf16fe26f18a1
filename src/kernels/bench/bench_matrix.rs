//! Products of matrices in registers, which measure the rate of cooperative matrices;
//! `shaders/bench/bench_matrix*.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        desc::{Access, KernelDesc, Params, Requires, Suits, Variant, no_tile},
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, suite},
    },
};

crate::params! {
    /// Uniform block of `shaders/lib/bench_matrix.wgsl`.
    pub struct BenchMatrixParams {
        /// Number of results of 32 x 32 values.
        blocks: u32,
        /// How often the product is added up.
        turns: u32,
    }
}

/// A variant's text: lines that must come first, the pieces that all variants share, and its own
/// file.
macro_rules! joined {
    ($($first:literal,)? [$own:literal]) => {
        crate::wgsl!($($first,)? "lib/grid", "lib/bench_matrix", $own)
    };
}

const fn cooperative(
    name: &'static str,
    stem: &'static str,
    wgsl: &'static str,
    size: u32,
) -> Variant {
    Variant {
        name,
        stem,
        wgsl,
        workgroups: &[128, 256],
        tile: no_tile,
        requires: Requires::CooperativeMatrix(size),
        suits: Suits::Hardware,
        only: None,
        trusted: true,
    }
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "bench_matrix",
    params_name: BenchMatrixParams::NAME,
    params: BenchMatrixParams::FIELDS,
    bindings: &[
        ("params", Access::Uniform),
        ("x", Access::Read),
        ("w", Access::Read),
        ("y", Access::ReadWrite),
    ],
    variants: &[
        cooperative(
            "coop16",
            "bench_matrix_coop16",
            joined!("lib/cooperative", ["bench/bench_matrix_coop16"]),
            16,
        ),
        cooperative(
            "coop8",
            "bench_matrix_coop8",
            joined!("lib/cooperative", ["bench/bench_matrix_coop8"]),
            8,
        ),
        Variant {
            name: "plain",
            stem: "bench_matrix",
            wgsl: joined!(["bench/bench_matrix"]),
            workgroups: &[128, 256],
            tile: no_tile,
            requires: Requires::Nothing,
            suits: Suits::Any,
            only: None,
            trusted: false,
        },
    ],
};

/// Rows of x and columns of w.
pub const SIDE: u32 = 32;
/// Columns of x and rows of w.
pub const INNER: u32 = 16;
/// Most turns of a loop that every driver completes.
pub const MOST_TURNS: u32 = 65_535;

/// Adds the product of x and w up `turns` times, in each of `blocks` results. A multiply-add counts
/// as two operations.
///
/// Bindings: x f32 `[32, 16]`, w f32 `[16, 32]`, both of numbers that f16 holds exactly; y f32
/// `[blocks, 32, 32]`.
pub fn plan(blocks: u32, turns: u32) -> Result<Plan> {
    if blocks == 0 || !(1..=MOST_TURNS).contains(&turns) {
        return Err(Error::Shape(format!("{turns} turns for {blocks} blocks")));
    }
    let params = BenchMatrixParams { blocks, turns };
    let [operand, block] = [SIDE * INNER, SIDE * SIDE].map(u64::from);
    let bytes = vec![4 * operand, 4 * operand, 4 * block * u64::from(blocks)];
    let grid = DispatchGrid::Groups(u64::from(blocks.div_ceil(4)));
    let each = 2 * block * u64::from(INNER) * u64::from(turns);
    Ok(Plan::new(&KERNEL, &params, grid, bytes).costing(each * u64::from(blocks)))
}

fn case(blocks: u32, turns: u32, random: &mut Random) -> Result<Case> {
    let operand = (SIDE * INNER) as usize;
    let (x, w) = (random.integers(operand, 4), random.integers(operand, 4));
    let element = |i: u32| -> f64 {
        let (row, column) = (i / SIDE, i % SIDE);
        let term = |c: u32| {
            let [x, w] = [x[(row * INNER + c) as usize], w[(c * SIDE + column) as usize]];
            f64::from(x) * f64::from(w)
        };
        f64::from(turns) * (0..INNER).map(term).sum::<f64>()
    };
    let block: Vec<f64> = (0..SIDE * SIDE).map(element).collect();
    let all: Vec<f64> = (0..blocks).flat_map(|_| block.clone()).collect();
    Ok(Case {
        label: format!("{blocks} blocks, {turns} turns"),
        plan: plan(blocks, turns)?,
        data: vec![Data::input(&x), Data::input(&w), Data::Output(Want::exact(&all))],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(71);
    [(1, 1), (4, 2), (7, 5)]
        .into_iter()
        .map(|(blocks, turns)| case(blocks, turns, &mut random))
        .collect()
}

fn random(random: &mut Random) -> Result<Case> {
    case(random.length(9), random.between(1, 5), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
