//! Plain convolutions: their shapes as `nf-gpu bench` writes them, and the elements of their results as sums.

/// A convolution of images `[N, C, H, W]` by weights `[K, C, R, S]`, of one group, with the same stride and padding in
/// rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Convolution {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub r: usize,
    pub s: usize,
    pub k: usize,
    pub stride: usize,
    pub padding: usize,
}

/// What is computed of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

impl Pass {
    pub const ALL: [Self; 3] = [Self::Forward, Self::InputGradient, Self::WeightGradient];

    /// The pass that the role of a case names, fused or not.
    pub fn of_role(role: &str) -> Option<Self> {
        match role.strip_suffix(", fused").unwrap_or(role) {
            "conv2d forward" => Some(Self::Forward),
            "conv2d input gradient" => Some(Self::InputGradient),
            "conv2d weight gradient" => Some(Self::WeightGradient),
            _ => None,
        }
    }
}

/// Input and weights, or whatever two of input, weights and output's gradient a pass reads.
pub struct Values {
    /// `[N, H, W, C]`
    pub x: Vec<f32>,
    /// `[K, C, R, S]`
    pub w: Vec<f32>,
    /// `[N, OH, OW, K]`
    pub dy: Vec<f32>,
}

impl Convolution {
    /// Reads a shape such as `[n=32 h=32 w=32 c=64] [r=3 s=3 c=64 k=128] stride 2 padding 1`. Anything else, such as
    /// groups or a transposed convolution, is `None`.
    pub fn parse(shape: &str) -> Option<Self> {
        let (x, rest) = shape.strip_prefix('[')?.split_once("] [")?;
        let (weights, rest) = rest.split_once(']')?;
        let [n, h, w, c] = extents(x, ["n=", "h=", "w=", "c="])?;
        let [r, s, of_c, k] = extents(weights, ["r=", "s=", "c=", "k="])?;
        let (stride, padding) = match rest.split_whitespace().collect::<Vec<_>>()[..] {
            // Unsaid: the output is as large as the input.
            [] if r == s && r % 2 == 1 => (1, r / 2),
            ["stride", stride, "padding", padding] => (stride.parse().ok()?, padding.parse().ok()?),
            _ => return None,
        };
        (c == of_c).then_some(Self { n, h, w, c, r, s, k, stride, padding })
    }

    /// Rows and columns of the output.
    pub fn output(self) -> [usize; 2] {
        [(self.h, self.r), (self.w, self.s)]
            .map(|(extent, kernel)| (extent + 2 * self.padding - kernel) / self.stride + 1)
    }

    /// Elements of the result of a pass.
    pub fn len(self, pass: Pass) -> usize {
        let [oh, ow] = self.output();
        match pass {
            Pass::Forward => self.n * oh * ow * self.k,
            Pass::InputGradient => self.n * self.h * self.w * self.c,
            Pass::WeightGradient => self.k * self.c * self.r * self.s,
        }
    }

    /// Element `i` of the result of a pass as it is defined; results are laid out like [`Values`].
    pub fn element(self, pass: Pass, values: &Values, i: usize) -> f64 {
        let Self { n, h, w, c, r, s, k, .. } = self;
        let [oh, ow] = self.output();
        let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
        let x = |n, y, x, c_| values.x[((n * h + y) * w + x) * c + c_];
        let weight = |k, c_, r_, s_| values.w[((k * c + c_) * r + r_) * s + s_];
        let dy = |n, y, x, k_| values.dy[((n * oh + y) * ow + x) * k + k_];
        let mut sum = 0.0;
        match pass {
            Pass::Forward => {
                let [n, oy, ox, k] = position(i, [oh, ow, k]);
                for (r, s) in pairs(r, s) {
                    let Some((y, col)) = self.read_by([oy, ox], [r, s]) else { continue };
                    sum +=
                        (0..c).map(|c| product(x(n, y, col, c), weight(k, c, r, s))).sum::<f64>();
                }
            }
            Pass::InputGradient => {
                let [n, y, col, c] = position(i, [h, w, c]);
                for (oy, ox) in pairs(oh, ow) {
                    // The tap by which this output reads this input, if one does.
                    let (r_, s_) = (y + self.padding, col + self.padding);
                    let tap = (r_.checked_sub(oy * self.stride), s_.checked_sub(ox * self.stride));
                    let (Some(r_), Some(s_)) = tap else { continue };
                    if r_ < r && s_ < s {
                        sum += (0..k)
                            .map(|k| product(dy(n, oy, ox, k), weight(k, c, r_, s_)))
                            .sum::<f64>();
                    }
                }
            }
            Pass::WeightGradient => {
                let [k, c, r, s] = position(i, [c, r, s]);
                for (oy, ox) in pairs(oh, ow) {
                    let Some((y, col)) = self.read_by([oy, ox], [r, s]) else { continue };
                    sum += (0..n).map(|n| product(x(n, y, col, c), dy(n, oy, ox, k))).sum::<f64>();
                }
            }
        }
        sum
    }

    /// The input pixel that an output pixel reads by a tap, unless that is padding.
    fn read_by(self, output: [usize; 2], tap: [usize; 2]) -> Option<(usize, usize)> {
        let at = |i: usize, extent| {
            (output[i] * self.stride + tap[i]).checked_sub(self.padding).filter(|&at| at < extent)
        };
        Some((at(0, self.h)?, at(1, self.w)?))
    }
}

/// Numbers that stand behind these names, in this order.
fn extents(text: &str, names: [&str; 4]) -> Option<[usize; 4]> {
    let mut words = text.split(' ');
    let mut found = [0; 4];
    for (extent, name) in found.iter_mut().zip(names) {
        *extent = words.next()?.strip_prefix(name)?.parse().ok().filter(|&extent| extent > 0)?;
    }
    words.next().is_none().then_some(found)
}

/// The four indices of element `i`, given the last three extents.
fn position(i: usize, [b, c, d]: [usize; 3]) -> [usize; 4] {
    [i / (b * c * d), i / (c * d) % b, i / d % c, i % d]
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_shapes_are_read() {
        let x = "[n=2 h=9 w=8 c=4]";
        let read = |weights: &str| Convolution::parse(&format!("{x} {weights}"));
        let conv = Convolution { n: 2, h: 9, w: 8, c: 4, r: 3, s: 3, k: 5, stride: 1, padding: 1 };
        assert_eq!(read("[r=3 s=3 c=4 k=5]"), Some(conv));
        let strided = Convolution { stride: 2, padding: 0, ..conv };
        assert_eq!(read("[r=3 s=3 c=4 k=5] stride 2 padding 0"), Some(strided));
        assert_eq!((strided.output(), conv.output()), ([4, 3], [9, 8]));
        for other in [
            "[r=3 s=3 c=1 k=4] groups 4",
            "[r=3 s=3 c=4 k=5] groups 2",
            "[r=2 s=2 c=4 k=5] stride 2 padding 1 transposed",
            "[r=3 s=1 c=4 k=5] window 3x1",
            "[r=3 s=3 c=4]",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(Pass::of_role("conv2d forward, f16"), None);
        assert_eq!(Pass::of_role("conv2d input gradient, fused"), Some(Pass::InputGradient));
    }
}
