//! Gradients next to kinks. Where the exact input of an activation is nearer to a corner than f32 can resolve, either
//! side is right; where two values in a window of a max pool are that close, either is the maximum. The
//! gradient jumps between these choices. A result past its bound is accepted only if turning a few such
//! kinks in the exact gradient brings it within the bound.
use crate::networks::evaluator::{Evaluator, Values, corners, norm, relative_l2, wide};
use nf_gpu::{
    fault::{FaultMap, dequantize, inject, quantize},
    files::Weights,
    nn::{Graph, NodeId},
};
use std::collections::BTreeMap;

/// Most kinks that may be turned.
const MOST: usize = 4;

/// A choice in the values of a node that rounding may decide.
#[derive(Clone, Copy, Debug)]
enum Kink {
    /// The side of a corner on which an activation's input lies.
    Side(NodeId, usize, f64),
    /// Which of two inputs of a pool is its maximum.
    Maximum(NodeId, usize, usize),
}

/// A network with its exact values.
struct Net<'a> {
    twin: Evaluator<'a>,
    values: Values,
}

impl<'a> Net<'a> {
    fn new(
        (graph, weights): (&'a Graph, &'a Weights),
        map: Option<&FaultMap>,
        training: bool,
        images: &[f64],
    ) -> Self {
        let layers = graph.layers.iter().zip(graph.places()).map(|(layer, place)| {
            let name = &graph.params[layer.weight].name;
            let stored = quantize(&weights.tensors[name].data, 8).unwrap();
            dequantize(&map.map_or(stored.clone(), |map| inject(&stored, map, place).0))
        });
        let twin = Evaluator { graph, parameters: weights, weights: layers.collect(), training };
        let values = twin.forward(images);
        Self { twin, values }
    }

    /// Inputs of activations within `distance` of a corner and pool inputs within `distance` of the maximum, in units of
    /// the tensor's root mean square, with their distances.
    fn kinks(&self, distance: f64) -> Vec<(f64, Kink)> {
        let mut kinks = Vec::new();
        for (id, node) in self.twin.graph.nodes.iter().enumerate() {
            let Some(&input) = node.inputs.first() else { continue };
            let x = &self.values.nodes[input];
            let rms = norm(x) / (x.len() as f64).sqrt();
            for corner in corners(&node.op) {
                let from = |i: usize| (x[i] - corner).abs() / rms;
                let near = (0..x.len()).filter(|&i| from(i) < distance);
                kinks.extend(near.map(|i| (from(i), Kink::Side(input, i, corner))));
            }
            let gaps = self.twin.pool_gaps(id, x).into_iter();
            let near = gaps.filter(|(gap, ..)| *gap < distance * rms);
            kinks.extend(near.map(|(gap, i, j)| (gap / rms, Kink::Maximum(input, i, j))));
        }
        kinks
    }

    /// Moves a value to the other side of a kink, or back.
    fn turn(&mut self, kink: Kink) {
        match kink {
            Kink::Side(node, i, corner) => {
                let value = &mut self.values.nodes[node][i];
                *value = 2.0 * corner - *value;
            }
            Kink::Maximum(node, i, j) => self.values.nodes[node].swap(i, j),
        }
    }
}

/// A loss over copies of a base network, with or without a generator, and its exact gradient.
pub(crate) struct Exact<'a> {
    generator: Option<Net<'a>>,
    images: Vec<f64>,
    copies: Vec<(Net<'a>, Vec<f64>)>,
    /// Gradient of each copy's images.
    dx: Vec<Vec<f64>>,
}

/// Gradients by name; `input` is the gradient of the images, if there is no generator.
type Gradients = BTreeMap<String, Vec<f64>>;

impl<'a> Exact<'a> {
    /// `maps` holds the copies' faults and the weights of their mean cross-entropies.
    pub(crate) fn new(
        generator: Option<(&'a Graph, &'a Weights)>,
        base: (&'a Graph, &'a Weights),
        maps: &[(Option<FaultMap>, f64)],
        images: &[f32],
        labels: &[u32],
    ) -> Self {
        let images = wide(images);
        let generator = generator.map(|net| Net::new(net, None, true, &images));
        let seen = match &generator {
            None => images.clone(),
            Some(net) => {
                let g = net.values.output();
                images.iter().zip(g).map(|(x, g)| (x + g).clamp(-1.0, 1.0)).collect()
            }
        };
        let mut copies = Vec::new();
        for (map, weight) in maps {
            let net = Net::new(base, map.as_ref(), false, &seen);
            let classes = net.values.output().len() / labels.len();
            let rows = net.values.output().chunks(classes).zip(labels);
            let dlogits = rows.flat_map(|(row, &label)| {
                let sum: f64 = row.iter().map(|v| v.exp()).sum();
                let wanted = |c: usize| f64::from(u8::from(c == label as usize));
                let scale = weight / labels.len() as f64;
                (0..classes).map(|c| (row[c].exp() / sum - wanted(c)) * scale).collect::<Vec<_>>()
            });
            let dlogits: Vec<f64> = dlogits.collect();
            copies.push((net, dlogits));
        }
        let dx = copies.iter().map(|(net, dy)| net.twin.backward(&net.values, dy).images).collect();
        Self { generator, images, copies, dx }
    }

    fn gradients(&self) -> Gradients {
        let mut sum = vec![0.0; self.images.len()];
        for dx in &self.dx {
            sum.iter_mut().zip(dx).for_each(|(sum, d)| *sum += d);
        }
        let Some(net) = &self.generator else { return BTreeMap::from([("input".into(), sum)]) };
        let inside = |i: usize| (self.images[i] + net.values.output()[i]).abs() <= 1.0;
        let dg: Vec<f64> = (0..sum.len()).map(|i| if inside(i) { sum[i] } else { 0.0 }).collect();
        net.twin.backward(&net.values, &dg).parameters
    }

    /// Turns one kink; net 0 is the generator, the copies follow.
    fn turn(&mut self, (net, kink): (usize, Kink)) {
        if net == 0 {
            if let Some(generator) = &mut self.generator {
                generator.turn(kink);
            }
        } else {
            let (copy, dy) = &mut self.copies[net - 1];
            copy.turn(kink);
            self.dx[net - 1] = copy.twin.backward(&copy.values, dy).images;
        }
    }

    /// Asserts that `got` agrees with the exact gradients within `bound`, possibly after turning a few
    /// kinks within `distance`.
    pub(crate) fn explain(
        &mut self,
        got: &BTreeMap<String, Vec<f32>>,
        bound: f64,
        distance: f64,
        what: &str,
    ) {
        let worst = |exact: &Gradients| {
            let errors = got.iter().map(|(name, got)| relative_l2(got, &exact[name]));
            errors.fold(0.0, f64::max)
        };
        let nets = self.generator.iter().chain(self.copies.iter().map(|(net, _)| net));
        let first = usize::from(self.generator.is_none());
        let mut kinks = Vec::new();
        for (net, k) in nets.zip(first..) {
            let of_net = net.kinks(distance).into_iter();
            kinks.extend(of_net.map(|(distance, kink)| (distance, (k, kink))));
        }
        // The nearest kinks are the likeliest.
        kinks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut error = worst(&self.gradients());
        println!("{what}: {error:.1e} from the exact gradient; {} kinks in doubt", kinks.len());
        let (mut turned, mut found) = (Vec::new(), true);
        // After a kink that explains most of the error, others may explain most of the rest.
        while found {
            found = false;
            kinks.retain(|&(distance, kink)| {
                if error <= bound || turned.len() == MOST {
                    return true;
                }
                self.turn(kink);
                let after = worst(&self.gradients());
                // A kink that f32 turned explains a large part of the error.
                if after < 0.8 * error {
                    println!("{what}: turning {kink:?}, {distance:.1e} away, leaves {after:.1e}");
                    (error, found) = (after, true);
                    turned.push(kink);
                    return false;
                }
                self.turn(kink);
                true
            });
        }
        turned.into_iter().for_each(|kink| self.turn(kink));
        assert!(error <= bound, "{what}: {error:.1e}, bound {bound:.0e}, and no kink explains it");
    }
}
