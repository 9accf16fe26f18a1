//! Instructions of a shader as ACO, the compiler of Mesa's AMD driver, prints them: blocks, loops, kinds.

/// What an instruction occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Multiply-adds; the number of them that one instruction issues.
    Fma(u32),
    /// A product of matrices.
    Matrix,
    /// Vector arithmetic other than FMAs at full rate, and at a quarter of it. A mixed multiply-add rounds an
    /// operand to f16 here, on its way to a product.
    Vector,
    Quarter,
    /// Loads from workgroup memory, of so many bytes a lane; its stores.
    SharedLoad(u32),
    SharedStore,
    /// Loads from storage buffers.
    Load,
    /// A wait until all loads from storage have arrived.
    FullWait,
    /// A register that does not fit, written to memory or read back.
    Spill,
    /// Anything else: scalar arithmetic, branches, barriers, stores.
    Other,
}

const QUARTER: &[&str] = &[
    "v_mul_lo_u32",
    "v_mul_hi_u32",
    "v_mul_hi_i32",
    "v_mad_u64_u32",
    "v_mad_co_u64_u32",
    "v_mad_i64_i32",
    "v_rcp_",
    "v_sqrt_",
    "v_rsq_",
    "v_exp_",
    "v_log_",
    "v_sin_",
    "v_cos_",
];
const FMA: &[&str] = &[
    "v_fma_f32",
    "v_fmac_f32",
    "v_fmaak_f32",
    "v_fmamk_f32",
    "v_mad_f32",
    "v_mac_f32",
    "v_madak_f32",
    "v_madmk_f32",
    "v_pk_fma",
    "v_fma_f16",
    "v_fmac_f16",
];

fn begins(name: &str, with: &[&str]) -> bool {
    with.iter().any(|start| name.starts_with(start))
}

/// Bytes that an instruction of workgroup memory moves per lane.
fn bytes(name: &str) -> u32 {
    let sizes =
        [("b128", 16), ("b96", 12), ("b64", 8), ("b32", 4), ("16", 2), ("u8", 1), ("i8", 1)];
    let one = sizes.iter().find(|(text, _)| name.contains(text)).map_or(4, |s| s.1);
    let two = ["2addr", "read2", "write2", "load_2", "store_2"];
    if two.iter().any(|text| name.contains(text)) { 2 * one } else { one }
}

/// The kind of one line of code.
pub fn kind(line: &str) -> Kind {
    let name = line.split_whitespace().next().unwrap_or("");
    // Two instructions in one: `v_dual_fmac_f32 a, b, c :: v_dual_fmac_f32 d, e, f`.
    if name.starts_with("v_dual_") {
        let fmas = ["v_dual_fmac", "v_dual_fmaak", "v_dual_fmamk"].map(|f| line.matches(f).count());
        return match fmas.iter().sum::<usize>() {
            0 => Kind::Vector,
            n => Kind::Fma(n as u32),
        };
    }
    let full = line.contains("vmcnt(0)") || line.contains("loadcnt(0)");
    match name {
        _ if begins(name, &["v_wmma", "v_swmma"]) => Kind::Matrix,
        _ if begins(name, FMA) => Kind::Fma(1),
        _ if begins(name, QUARTER) => Kind::Quarter,
        "v_nop" => Kind::Other,
        // GFX6 to 9 and 10 spill to scratch memory, scalars to lanes of a vector register.
        _ if begins(name, &["scratch_"]) => Kind::Spill,
        _ if name.starts_with("v_") => Kind::Vector,
        _ if begins(name, &["ds_load", "ds_read"]) => Kind::SharedLoad(bytes(name)),
        _ if begins(name, &["ds_store", "ds_write"]) => Kind::SharedStore,
        _ if begins(name, &["buffer_load", "global_load", "flat_load"]) => Kind::Load,
        "s_wait_loadcnt" if line.ends_with(" 0x0") || line.ends_with(" 0") => Kind::FullWait,
        "s_waitcnt" | "s_wait_loadcnt_dscnt" if full => Kind::FullWait,
        _ => Kind::Other,
    }
}

/// A run of instructions with its label.
struct Block {
    name: String,
    lines: Vec<String>,
}

/// The code of one shader.
pub struct Code(Vec<Block>);

/// Counts of one loop, without those of loops inside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loop {
    /// Multiply-adds, and instructions that they take.
    pub fmas: u32,
    pub fma_instructions: u32,
    /// Products of matrices.
    pub matrix: u32,
    /// Issue slots of other vector arithmetic, of which one at a quarter of the rate takes four.
    pub others: u32,
    /// Bytes a lane that are loaded from workgroup memory.
    pub shared_bytes: u32,
    /// Loads of fewer than four bytes from workgroup memory.
    pub small_loads: u32,
    /// Loads from storage buffers.
    pub loads: u32,
    /// Waits for all loads that a turn issues before it multiplies.
    pub waits: u32,
    /// All full waits that follow a load of the same turn, multiply-adds or not.
    pub full_waits: u32,
}

impl Code {
    /// Reads what the driver prints.
    pub fn parse(text: &str) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for line in text.lines() {
            let code = line.split(';').next().unwrap_or("").trim();
            if line.starts_with("BB")
                && let Some((name, _)) = line.split_once(':')
            {
                blocks.push(Block { name: name.to_owned(), lines: Vec::new() });
            } else if !code.is_empty()
                && !code.starts_with('(')
                && let Some(block) = blocks.last_mut()
            {
                block.lines.push(code.to_owned());
            }
        }
        Self(blocks)
    }

    /// Whether any register is spilled to memory.
    pub fn spills(&self) -> usize {
        let lines = self.0.iter().flat_map(|block| &block.lines);
        lines.filter(|line| kind(line) == Kind::Spill).count()
    }

    /// Ranges of blocks that a branch backwards repeats.
    fn ranges(&self) -> Vec<[usize; 2]> {
        let mut found: Vec<[usize; 2]> = Vec::new();
        for (end, block) in self.0.iter().enumerate() {
            let branches = block.lines.iter().filter(|l| begins(l, &["s_branch", "s_cbranch"]));
            for target in branches.filter_map(|line| line.split_whitespace().last()) {
                let Some(start) = self.0[..=end].iter().position(|b| b.name == target) else {
                    continue;
                };
                match found.iter_mut().find(|range| range[0] == start) {
                    Some(range) => range[1] = range[1].max(end),
                    None => found.push([start, end]),
                }
            }
        }
        // A loop may branch back from the head of the loop inside it: both end together.
        for i in 0..found.len() {
            for j in 0..found.len() {
                let [start, end] = found[j];
                if found[i][0] < start && start <= found[i][1] {
                    found[i][1] = found[i][1].max(end);
                }
            }
        }
        found
    }

    /// The loop that multiplies most, and the one around it.
    pub fn hottest(&self) -> Option<(Loop, Option<Loop>)> {
        let ranges = self.ranges();
        let inside = |a: &[usize; 2], b: &[usize; 2]| a != b && b[0] <= a[0] && a[1] <= b[1];
        let own = |range: &[usize; 2]| {
            let nested: Vec<_> = ranges.iter().filter(|r| inside(r, range)).collect();
            let mine =
                (range[0]..=range[1]).filter(|i| !nested.iter().any(|r| r[0] <= *i && *i <= r[1]));
            count(mine.flat_map(|i| &self.0[i].lines).map(|line| kind(line)))
        };
        let hot = ranges
            .iter()
            .map(|range| (range, own(range)))
            .filter(|(_, l)| l.fmas + l.matrix > 0)
            .max_by_key(|(_, l)| l.fmas + 4096 * l.matrix)?;
        let around = ranges.iter().filter(|r| inside(hot.0, r)).min_by_key(|r| r[1] - r[0]);
        Some((hot.1, around.map(own)))
    }
}

fn count(kinds: impl Iterator<Item = Kind>) -> Loop {
    let mut sum = Loop::default();
    // Waits that come between loads of this turn and its multiply-adds.
    let (mut fetched, mut waited) = (false, 0);
    for kind in kinds {
        match kind {
            Kind::Fma(n) => {
                sum.fmas += n;
                sum.fma_instructions += 1;
                sum.waits += std::mem::take(&mut waited);
            }
            Kind::Matrix => {
                sum.matrix += 1;
                sum.waits += std::mem::take(&mut waited);
            }
            Kind::Vector => sum.others += 1,
            Kind::Quarter => sum.others += 4,
            Kind::SharedLoad(bytes) => {
                sum.shared_bytes += bytes;
                sum.small_loads += u32::from(bytes < 4);
            }
            Kind::Load => {
                sum.loads += 1;
                fetched = true;
            }
            Kind::FullWait => {
                waited += u32::from(fetched);
                sum.full_waits += u32::from(fetched);
            }
            Kind::SharedStore | Kind::Spill | Kind::Other => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "BB0:\n\ts_mov_b32 s0, 0 ; be800380\nBB1:\n\tbuffer_load_dwordx4 v[0:3], v4, s[0:3], 0 offen ; 00\n\t\
        s_waitcnt vmcnt(0) ; 00\n\tds_read_b128 v[5:8], v9 ; 00\nBB2:\n\tv_fmac_f32_e32 v0, v1, v2 ; 00\n\tv_mul_lo_u32 v1, v2, v3 ; 00\n\t\
        v_add_nc_u32_e32 v1, v2, v3 ; 00\n\ts_cbranch_scc1 BB2 ; 00\n\ts_waitcnt vmcnt(0) ; 00\n\tv_fma_f32 v0, v1, v2, v3 ; 00\n\ts_branch BB1 ; 00\nBB4:\n\ts_endpgm";

    #[test]
    fn loops_are_counted_without_those_inside() {
        let code = Code::parse(TEXT);
        let (hot, around) = code.hottest().unwrap();
        // The whole block BB2 belongs to the loop that ends in it.
        assert_eq!((hot.fmas, hot.others, hot.loads, hot.waits), (2, 5, 0, 0));
        let around = around.unwrap();
        assert_eq!((around.loads, around.shared_bytes, around.fmas), (1, 16, 0));
        assert_eq!(code.spills(), 0);
    }

    #[test]
    fn a_wait_for_this_turns_loads_counts_once_it_holds_up_multiply_adds() {
        let text = |lines: &[&str]| format!("BB1:\n\t{}\n\ts_branch BB1", lines.join("\n\t"));
        let (load, wait) = ("buffer_load_dword v0, v1", "s_waitcnt vmcnt(0) lgkmcnt(0)");
        let fma = "v_fmac_f32 v0, v1, v2";
        let waits = |lines: &[&str]| Code::parse(&text(lines)).hottest().unwrap().0.waits;
        assert_eq!(waits(&[wait, load, fma, fma]), 0);
        assert_eq!(waits(&[load, wait, fma, fma]), 1);
        assert_eq!(waits(&[load, wait, load, wait, fma]), 2);
        assert_eq!(waits(&[load, fma, wait]), 0);
    }

    #[test]
    fn kinds_are_those_of_the_names() {
        for (line, wanted) in [
            ("v_dual_fmac_f32 v0, v1, v2 :: v_dual_fmac_f32 v3, v4, v5", Kind::Fma(2)),
            ("v_dual_mov_b32 v0, v1 :: v_dual_add_f32 v3, v4, v5", Kind::Vector),
            ("v_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]", Kind::Matrix),
            ("ds_read2_b64 v[0:3], v4 offset1:2", Kind::SharedLoad(16)),
            ("ds_load_u16 v0, v1", Kind::SharedLoad(2)),
            ("v_fma_mixhi_f16 v0, 1.0, v1, neg(0) op_sel_hi:[0,0,1]", Kind::Vector),
            ("scratch_store_dword off, v0, s0", Kind::Spill),
            ("s_wait_loadcnt 0x0", Kind::FullWait),
            ("s_waitcnt vmcnt(10)", Kind::Other),
            ("global_load_b128 v[0:3], v4, s[0:1]", Kind::Load),
        ] {
            assert_eq!(kind(line), wanted, "{line}");
        }
    }
}
