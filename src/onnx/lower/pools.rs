//! Pools over windows, and means, sums and maxima over axes.

use super::{
    super::{
        model::NodeProto,
        moves::axes_of,
        reasons::{Reason, Taken},
        value::HostTensor,
    },
    Lowering,
    linear::rows_and_columns,
    tensor::{Operand, small},
    window::{Sliding, pair},
};
use crate::{kernels::pool::window::Divisor, nn::NodeId, shape::Window};

impl Lowering<'_> {
    /// `MaxPool` and `AveragePool`.
    pub(super) fn pool(&mut self, node: &NodeProto) -> Taken<Operand> {
        if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
            let what = "it gives the places of maxima too";
            return Err(Reason::new(what, "export the network without return_indices"));
        }
        let x = self.tensor(node, 0)?;
        self.pooled(node, &x)
    }

    /// A tensor pooled as the attributes of a node say.
    pub(super) fn pooled(&mut self, node: &NodeProto, x: &Operand) -> Taken<Operand> {
        let x = self.unframed(x)?;
        let sequence = x.dims.len() == 2;
        let image = rows_and_columns(&x.dims, sequence)?;
        let mut kernel = pair(node, "kernel_shape", 0, sequence)?;
        if sequence {
            kernel[0] = 1;
        }
        let window = Sliding::of(node, kernel, sequence)?;
        if window.dilation != [1, 1] {
            return Err(Reason::new(
                "its windows have gaps (dilations)",
                super::unsupported::REPLACE,
            ));
        }
        if node.int("p").is_some_and(|p| p != 1) || node.int("storage_order").unwrap_or(0) != 0 {
            return Err(Reason::new("it stores columns first", super::unsupported::REPLACE));
        }
        let over = window.over(image, [0; 4])?;
        let source = self.image(&x)?;
        let y = match node.op.as_str() {
            "MaxPool" => self.graph.max_pool(source, over)?,
            _ => {
                let zeros_count = node.int("count_include_pad") == Some(1);
                self.graph.avg_pool(source, over, window.divisor(over, zeros_count)?)?
            }
        };
        Ok(self.image_of(y, sequence))
    }

    /// A mean, sum or maximum over axes of each image: over all pixels, or over the axes of a node.
    pub(super) fn reduction(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0)?;
        self.reduced(node, x)
    }

    /// A tensor reduced as a node says.
    pub(super) fn reduced(&mut self, node: &NodeProto, x: Operand) -> Taken<Operand> {
        let rank = x.dims.len();
        let global = node.op.contains("Global");
        let axes: Vec<usize> = if global {
            (1..rank).collect()
        } else {
            let axes = match node.ints("axes") {
                Some(axes) => Some(axes.to_vec()),
                None => {
                    self.constant(node, 1)?.map(|c| c.value.as_ints().unwrap_or_default().to_vec())
                }
            };
            let axes = axes.filter(|axes| !axes.is_empty());
            if axes.is_none() && node.int("noop_with_empty_axes") == Some(1) {
                return Ok(x);
            }
            let axes = match axes {
                Some(axes) => axes_of(&axes, rank + 1)?,
                None => (0..=rank).collect(),
            };
            let inner = axes.iter().map(|axis| axis.checked_sub(1)).collect::<Option<_>>();
            let advice = "images of a batch must stay apart: name the axes of rows and columns";
            inner.ok_or_else(|| Reason::new("it reduces the batch", advice))?
        };
        let kept: Vec<usize> = (0..rank).filter(|i| !axes.contains(i)).collect();
        let over: Vec<usize> = (0..rank).filter(|i| axes.contains(i)).collect();
        // The axes that go come last: they are the pixels.
        let x = self.permuted(&x, &[&kept[..], &over[..]].concat())?;
        let (channels, pixels) = x.dims.split_at(kept.len());
        let [h, w] = match *pixels {
            [] => [1, 1],
            [ref rows @ .., w] => [rows.iter().product(), w],
        };
        let chw = [small(channels.iter().product())?, small(h)?, small(w)?];
        // An image that has these pixels already is taken as it is.
        let source = self.as_chw(&x, chw)?;
        let y = self.whole(source, matches!(node.op.as_str(), "GlobalMaxPool" | "ReduceMax"))?;
        let keep = global || node.int("keepdims").unwrap_or(1) != 0;
        let channels: Vec<usize> = channels.to_vec();
        let mut rest = channels.iter().copied();
        let dims = (0..rank).filter_map(|i| match axes.contains(&i) {
            true => keep.then_some(1),
            false => rest.next(),
        });
        let y = Operand::new(y, dims.collect());
        match node.op.as_str() {
            "ReduceSum" => self.scaled(&y, &HostTensor::ints(vec![(h * w) as i64]), |n| (n, 0.0)),
            _ => Ok(y),
        }
    }
    /// The maximum or mean of each channel: over rows and columns at once, or one after the other where there are
    /// more than a kernel takes.
    fn whole(&mut self, x: NodeId, maximum: bool) -> Taken<NodeId> {
        let [_, h, w] = self.graph.nodes[x].chw;
        let most = if maximum { 256 } else { 60_000 };
        let steps = if u64::from(h) * (u64::from(w) + 2) > most && h > 1 && w > 1 {
            vec![[h, 1], [1, w]]
        } else {
            vec![[h, w]]
        };
        let mut y = x;
        for kernel in steps {
            let window = Window::even(kernel, 1, 0);
            y = match maximum {
                true => self.graph.max_pool(y, window)?,
                false => self.graph.avg_pool(y, window, Divisor::Window)?,
            };
        }
        Ok(y)
    }
}
