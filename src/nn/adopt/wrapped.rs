//! Handles what training tools leave in a file: weights in pieces, numbers beside them, quantised words.

use super::{Graph, Role, Tensors, names_of};
use crate::{
    error::{Error, Result},
    fault::whole_numbers,
    files::{
        is_quantised,
        safetensors::{Dtype, Raw},
        words_refused,
    },
};
use std::path::Path;

/// Last part of the names of tensors that tools store beside weights and that say nothing about the
/// network.
const BESIDE: [&str; 8] = [
    "num_batches_tracked",
    "n_averaged",
    "total_ops", // thop
    "total_params",
    "step_size", // BFA: recomputed from the weights
    "b_w",
    "_extra_state",
    "num_updates",
];

/// Parts of the names of observers, which record ranges of values in quantisation-aware training.
const OBSERVERS: [&str; 4] =
    ["fake_quant", "fake_quantize", "activation_post_process", "act_quantizer"];

/// Puts together weights that a tool keeps in pieces, where only one meaning is possible: pruned weights
/// (`weight_orig` and `weight_mask`), normalised weights (`weight_g` and `weight_v`), and words with their
/// scale (`step_size`).
///
/// # Errors
/// [`Error::Format`] for pieces that only PyTorch can put together: spectral norm, other parametrizations.
pub(super) fn put_together(
    graph: &Graph,
    tensors: &mut Tensors,
    origin: &Path,
    notes: &mut Vec<String>,
) -> Result<()> {
    let (mut pruned, mut normalised, mut scaled) = (0, 0, 0);
    for param in &graph.params {
        let name = &param.name;
        let (owner, last) = name.rsplit_once('.').unwrap_or(("", name));
        let beside = format!("{owner}.parametrizations.{last}");
        if let Some(tensor) = tensors.get(name) {
            let step = tensors.get(&format!("{owner}.step_size")).and_then(scalar);
            if let Some(step) = step.filter(|&step| step != 1.0 && param.role == Role::Weight)
                && let Some(words) = tensor.to_f32()
                && whole_numbers(&words).is_some()
            {
                let values: Vec<f32> = words.iter().map(|word| word * step).collect();
                let product = Raw::f32(&tensor.shape, &values);
                tensors.insert(name.clone(), product);
                scaled += 1;
            }
            continue;
        }
        let [orig, mask, u] = ["orig", "mask", "u"].map(|end| format!("{name}_{end}"));
        if let (Some(values), Some(kept)) = (tensors.get(&orig), tensors.get(&mask)) {
            if let (Some(values), Some(kept), true) =
                (values.to_f32(), mask_of(kept), values.shape == kept.shape)
            {
                let shape = tensors[&orig].shape.clone();
                let product: Vec<f32> = values.iter().zip(kept).map(|(v, m)| v * m).collect();
                tensors.insert(name.clone(), Raw::f32(&shape, &product));
                [orig, mask].iter().for_each(|name| drop(tensors.remove(name)));
                pruned += 1;
            }
            continue;
        }
        for (g, v) in [
            (format!("{name}_g"), format!("{name}_v")),
            (format!("{beside}.original0"), format!("{beside}.original1")),
        ] {
            let product = tensors.get(&g).zip(tensors.get(&v)).and_then(|(g, v)| weight_norm(g, v));
            if let Some(product) = product {
                tensors.insert(name.clone(), product);
                [g, v].iter().for_each(|name| drop(tensors.remove(name)));
                normalised += 1;
            }
        }
        if tensors.contains_key(&u)
            || tensors.keys().any(|name| name.starts_with(&format!("{beside}.")))
                && !tensors.contains_key(name)
        {
            let what =
                format!("{name} is kept in pieces, as spectral norm and other parametrizations do");
            let hint = "put it together in PyTorch before saving: torch.nn.utils.remove_spectral_norm(layer), or \
                        torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')";
            return Err(Error::format(origin, what, hint));
        }
    }
    for (count, what) in [
        (pruned, "are products of what was trained and the mask that prunes it"),
        (normalised, "are put together from length and direction (weight norm)"),
        (scaled, "are words times their step_size"),
    ] {
        if count > 0 {
            notes.push(format!("{count} weights {what}"));
        }
    }
    Ok(())
}

/// Leaves out tensors that are no weights and that the network does not have; `notes` says so.
pub(super) fn leave_out(graph: &Graph, tensors: &mut Tensors, notes: &mut Vec<String>) {
    let wanted = |name: &str| graph.params.iter().any(|param| param.name == name);
    let part = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let watches = |name: &str| {
        let fits = |part: &str| OBSERVERS.iter().any(|o| part.ends_with(o) || part.starts_with(o));
        name.split('.').any(fits)
    };
    let counts = |tensor: &Raw| {
        tensor.to_f32().is_none() && tensor.bytes.len() * 8 == tensor.dtype.bitsize()
    };
    let (mut integers, mut beside, mut observers) = (Vec::new(), Vec::new(), Vec::new());
    for (name, tensor) in tensors.iter().filter(|(name, _)| !wanted(name)) {
        if watches(name) {
            observers.push(name.clone());
        } else if matches!(tensor.dtype, Dtype::I64 | Dtype::U64)
            || counts(tensor) && !is_quantised(name)
        {
            integers.push(name.clone());
        } else if BESIDE.contains(&part(name).as_str()) {
            beside.push(name.clone());
        }
    }
    if !integers.is_empty() {
        notes.push(format!("{} integers such as {} are left out", integers.len(), integers[0]));
    }
    if !observers.is_empty() {
        notes.push(format!(
            "it was trained with simulated quantisation: the float weights are taken, {} tensors of observers \
             such as {} are left out",
            observers.len(),
            observers[0]
        ));
    }
    if !beside.is_empty() {
        let mut kinds: Vec<String> = beside.iter().map(|name| part(name)).collect();
        kinds.sort();
        kinds.dedup();
        notes.push(format!("{} tensors are left out: {}", beside.len(), kinds.join(", ")));
    }
    for name in integers.iter().chain(&observers).chain(&beside) {
        tensors.remove(name);
    }
}

/// Refuses quantised words in place of weights.
///
/// # Errors
/// [`Error::Format`] naming what shows that the weights are quantised, and what to export instead.
pub(super) fn refuse_quantised(graph: &Graph, tensors: &Tensors, origin: &Path) -> Result<()> {
    let sign = |name: &String| match tensors.get(name) {
        Some(tensor) if tensor.to_f32().is_none() => Some(format!("{name} is {}", tensor.dtype)),
        _ => None,
    };
    let missing = graph.params.iter().any(|param| !tensors.contains_key(&param.name));
    let words = graph.params.iter().find_map(|param| sign(&param.name));
    let left = || names_of(tensors).into_iter().find(|name| is_quantised(name));
    let Some(sign) = words.or_else(|| left().filter(|_| missing)) else { return Ok(()) };
    Err(words_refused(origin, &sign))
}

/// The value of a tensor that has exactly one element.
fn scalar(tensor: &Raw) -> Option<f32> {
    match tensor.to_f32()?[..] {
        [value] => Some(value),
        _ => None,
    }
}

/// The zeros and ones of a mask, whatever its type.
fn mask_of(mask: &Raw) -> Option<Vec<f32>> {
    match mask.dtype {
        Dtype::BOOL | Dtype::U8 => Some(mask.bytes.iter().map(|&b| f32::from(b)).collect()),
        _ => mask.to_f32(),
    }
}

/// `g v / |v|` (PyTorch's `weight_norm`) with a length for each row, the first axis of `v`; `None` for
/// other shapes.
fn weight_norm(g: &Raw, v: &Raw) -> Option<Raw> {
    let (lengths, values) = (g.to_f32()?, v.to_f32()?);
    let rows = *v.shape.first()?;
    let by_row = g.shape.len() == v.shape.len() && g.shape[0] == rows && lengths.len() == rows;
    if !by_row || rows == 0 || values.len() % rows != 0 {
        return None;
    }
    let mut product = Vec::with_capacity(values.len());
    for (row, &length) in values.chunks(values.len() / rows).zip(&lengths) {
        let norm = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        product.extend(row.iter().map(|&v| (f64::from(v) * f64::from(length) / norm) as f32));
    }
    Some(Raw::f32(&v.shape, &product))
}
