//! Parameters of layers: which stored tensor they are, under which name they go on.

use super::{
    super::{
        model::NodeProto,
        reasons::{Reason, Taken},
        value::{Constant, Numbers},
    },
    LayerSource, Lowering,
};
use crate::{
    files::{QuantisationParameters, WideWords},
    kernels::quantise::fault_dequantize::Order,
};
use std::rc::Rc;

/// How the weights of a product `Gemm` lie.
pub(super) fn order_of(node: &NodeProto) -> Taken<Order> {
    if node.int("transA").unwrap_or(0) != 0 {
        let advice = "images of a batch must stay apart: export the network without it";
        return Err(Reason::new("it transposes the batch (transA)", advice));
    }
    Ok(if node.int("transB").unwrap_or(0) == 0 { Order::InOut } else { Order::OutIn })
}

/// Refuses scales of other channels than those that a layer makes.
fn of_channels(parameters: &QuantisationParameters, shape: &[usize], order: Order) -> Taken<()> {
    let axis = if order == Order::OutIn { 0 } else { 1 };
    let inner: usize = shape[axis + 1..].iter().product();
    let channels = parameters.scales.len();
    if channels == 1 || (channels == shape[axis] && parameters.inner == inner) {
        return Ok(());
    }
    let what = format!(
        "its weights {shape:?} have {channels} scales, and not one for each of their outputs"
    );
    Err(Reason::new(what, "quantise weights per tensor, or per output channel"))
}

impl Lowering<'_> {
    /// Adds the weights of a layer under the name of their stored tensor. Faults hit stored words, so that
    /// no two layers can share them.
    pub(super) fn weight(
        &mut self,
        node: &NodeProto,
        (input, constant): (&str, &Constant),
        (shape, order): (&[usize], Order),
    ) -> Taken<String> {
        let name = constant.stored.clone().unwrap_or_else(|| input.to_owned());
        if let Some(user) = self.users.get(&name) {
            let what = format!("its weights {name} are those of {user} too");
            let advice = "faults and gradients of shared words are not computed: give each layer its own weights";
            return Err(Reason::new(what, advice));
        }
        self.insert(&name, constant, shape)?;
        if let Some(words) = constant.words.as_ref().filter(|_| constant.changed.is_empty()) {
            of_channels(&words.parameters, shape, order)?;
            self.weights.insert_words(&name, shape, (**words).clone());
        }
        self.users.insert(name.clone(), node.label());
        if constant.stored.is_none() {
            self.notes.insert(format!(
                "the weights {name} of {} are computed of several constants: faults hit the result",
                node.label()
            ));
        } else if !constant.changed.is_empty() {
            self.notes.insert(format!(
                "the weights of {} are {name} behind {}: faults hit the result",
                node.label(),
                constant.changed.join(", ")
            ));
        }
        self.layers.push(LayerSource {
            node: node.label(),
            op: node.op.clone(),
            stored: name.clone(),
            as_it_is: constant.stored.is_some() && constant.changed.is_empty(),
        });
        Ok(name)
    }

    /// Adds a parameter that has no faults: a bias, or one of a batch norm. Exporters store equal ones once, so
    /// that a second layer gets a copy under a name of its own.
    pub(super) fn parameter(
        &mut self,
        node: &NodeProto,
        (input, constant): (&str, &Constant),
        shape: &[usize],
    ) -> Taken<String> {
        let stored = constant.stored.as_deref().unwrap_or(input);
        let mut name = stored.to_owned();
        let mut copies = 1;
        while self.users.contains_key(&name) {
            copies += 1;
            name = format!("{stored}#{copies}");
        }
        self.insert(&name, constant, shape)?;
        // A bias of words, of this layer alone, whose numbers are what the words stand for.
        let own = |wide: &&Rc<WideWords>| {
            name == stored && constant.value.data == Numbers::Floats(wide.values())
        };
        if let Some(wide) = constant.wide.as_ref().filter(own) {
            self.weights.wide.insert(name.clone(), (**wide).clone());
        }
        self.users.insert(name.clone(), node.label());
        Ok(name)
    }

    fn insert(&mut self, name: &str, constant: &Constant, shape: &[usize]) -> Taken<()> {
        let data = match &constant.value.data {
            Numbers::Floats(data) => data,
            Numbers::Ints(_) => {
                let what = format!("its parameter {name} is of integers");
                return Err(Reason::new(
                    what,
                    "give them scales: quantise the network with DequantizeLinear or in QLinear operators",
                ));
            }
        };
        if data.len() != shape.iter().product::<usize>() {
            let what =
                format!("its parameter {name} is {:?}, where {shape:?} fits", constant.value.dims);
            return Err(Reason::damaged(what));
        }
        if let Some(i) = data.iter().position(|v| !v.is_finite()) {
            let what = format!("element {i} of its parameter {name} is {}", data[i]);
            return Err(Reason::new(
                what,
                "the training that made it diverged: train again, and export",
            ));
        }
        self.weights.insert(name, shape, data.clone());
        Ok(())
    }
}
