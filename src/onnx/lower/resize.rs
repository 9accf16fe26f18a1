//! Enlargement by whole factors, each pixel becoming a square of itself.

use super::{
    super::{
        model::NodeProto,
        reasons::{Reason, Taken},
        value::HostTensor,
    },
    Lowering,
    linear::rows_and_columns,
    tensor::Operand,
    unsupported::REPLACE,
};

impl Lowering<'_> {
    /// `Resize` and `Upsample` to the nearest pixel.
    pub(super) fn enlarged(&mut self, node: &NodeProto) -> Taken<Operand> {
        let x = self.tensor(node, 0)?;
        let x = self.unframed(&x)?;
        let [h, w] = rows_and_columns(&x.dims, false)?;
        let text = |name: &str, or: &'static str| node.text(name).unwrap_or(or).to_owned();
        let (mode, place) =
            (text("mode", "nearest"), text("coordinate_transformation_mode", "half_pixel"));
        let nearest = text("nearest_mode", "round_prefer_floor");
        // Operator sets before 11 have no such attributes and mean the first of these.
        let floor = place == "asymmetric" && nearest == "floor";
        let same = floor || place == "half_pixel" && nearest.starts_with("round_prefer");
        if mode != "nearest" || !(same || self.model.opset() < 11) {
            let what = format!("it resizes by {mode}, {place}, {nearest}");
            return Err(Reason::new(what, "enlarge to the nearest pixel by a whole factor"));
        }
        let factor = self.factor(node, [h, w])?;
        let [rows, columns] = factor;
        if rows != columns || !(1..=256).contains(&rows) {
            let what = format!("it enlarges {rows} times down and {columns} times across");
            return Err(Reason::new(what, "one factor from 1 to 256 for both can be run"));
        }
        let source = self.image(&x)?;
        let y = self.graph.upsample(source, rows);
        Ok(self.image_of(y, false))
    }

    /// Whole factors of rows and columns.
    fn factor(&mut self, node: &NodeProto, image: [usize; 2]) -> Taken<[u32; 2]> {
        let scales = match node.attribute("scales") {
            Some(scales) => scales.floats.clone(),
            None => {
                // Inputs: x, scales before operator set 11; x, roi, scales, sizes since.
                let at = if node.op == "Resize" && self.model.opset() >= 11 { 2 } else { 1 };
                let numbers = |found: Option<super::super::value::Constant>| {
                    found.map(|constant| constant.value.as_floats()).filter(|list| !list.is_empty())
                };
                let scales = numbers(self.constant(node, at)?);
                let sizes = if at == 2 { numbers(self.constant(node, 3)?) } else { None };
                match (scales, sizes) {
                    (Some(scales), _) => scales,
                    (None, Some(sizes)) if sizes.len() == 4 => {
                        vec![1.0, 1.0, sizes[2] / image[0] as f32, sizes[3] / image[1] as f32]
                    }
                    _ => return Err(Reason::damaged("it has no scales")),
                }
            }
        };
        match scales[..] {
            [n, c, h, w] if n == 1.0 && c == 1.0 && h.fract() == 0.0 && w.fract() == 0.0 => {
                Ok([h, w].map(|factor| factor.clamp(0.0, 1e6) as u32))
            }
            _ => Err(Reason::new(format!("its scales are {scales:?}"), REPLACE)),
        }
    }
}

impl HostTensor {
    /// The numbers as floats.
    fn as_floats(&self) -> Vec<f32> {
        use super::super::value::Numbers;
        match &self.data {
            Numbers::Floats(values) => values.clone(),
            Numbers::Ints(values) => values.iter().map(|&value| value as f32).collect(),
        }
    }
}
