//! Where the values of a generator lie in one array of floats: values that are needed at different times share places.

use super::network::{DeviceNetwork, Operation};

/// The places of all values, in floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scratch {
    /// The first float of each value; `None` for values that lie elsewhere: the image, and what is constant.
    pub(super) at: Vec<Option<usize>>,
    /// Number of floats.
    pub(super) len: usize,
}

/// A piece of the array, and the steps between which it is in use.
struct Block {
    /// The value whose place it is.
    value: usize,
    len: usize,
    first: usize,
    last: usize,
}

impl Scratch {
    /// Lays out the values of a generator.
    ///
    /// The two values of a concatenation are made where its own value will lie, and a tanh replaces its argument.
    pub(super) fn of(network: &DeviceNetwork) -> Self {
        let count = network.steps.len() + 1;
        let outside = |value: usize| {
            value == 0 || matches!(network.steps[value - 1].operation, Operation::Constant(_))
        };
        let readers =
            |value: usize| network.steps.iter().filter(|step| step.inputs.contains(&value)).count();
        // The value in whose place another lies, and how far into it.
        let mut inside: Vec<Option<(usize, usize)>> = vec![None; count];
        for (value, step) in (1..).zip(&network.steps) {
            match (&step.operation, &step.inputs[..]) {
                (Operation::Tanh, &[x])
                    if !outside(x) && readers(x) == 1 && inside[x].is_none() =>
                {
                    inside[x] = Some((value, 0));
                }
                (Operation::Concat, &[a, b])
                    if a != b && [a, b].iter().all(|&x| !outside(x) && inside[x].is_none()) =>
                {
                    inside[a] = Some((value, 0));
                    inside[b] = Some((value, network.len_of(a)));
                }
                _ => {}
            }
        }
        let root = |value: usize| {
            let (mut value, mut offset) = (value, 0);
            while let Some((into, by)) = inside[value] {
                (value, offset) = (into, offset + by);
            }
            (value, offset)
        };
        let mut blocks: Vec<Block> = Vec::new();
        for value in (1..count).filter(|&value| !outside(value)) {
            // The last value is read after the last step.
            let reads = network.steps.iter().enumerate();
            let reads =
                reads.filter(|(_, step)| step.inputs.contains(&value)).map(|(at, _)| at + 1);
            let last = if value == count - 1 { count } else { reads.max().unwrap_or(value) };
            let (of, _) = root(value);
            match blocks.iter_mut().find(|block| block.value == of) {
                Some(block) => {
                    (block.first, block.last) = (block.first.min(value), block.last.max(last));
                }
                None => {
                    blocks.push(Block { value: of, len: network.len_of(of), first: value, last });
                }
            }
        }
        // No order is best for every generator.
        let orders: [fn(&Block) -> usize; 3] =
            [|block| block.len, |block| block.last - block.first, |block| usize::MAX - block.first];
        let mut placed = Vec::new();
        for order in orders {
            blocks.sort_by_key(|block| std::cmp::Reverse((order(block), block.len)));
            let found = places(&blocks);
            if placed.is_empty() || end(&found) < end(&placed) {
                placed = found;
            }
        }
        let len = end(&placed);
        let place = |value: usize| {
            let (of, offset) = root(value);
            placed.iter().find(|place| place.value == of).map(|place| place.at + offset)
        };
        Self {
            at: (0..count).map(|value| if outside(value) { None } else { place(value) }).collect(),
            len,
        }
    }
}

/// The place of the block of a value.
#[derive(Clone, Copy)]
struct PlacedBlock {
    value: usize,
    at: usize,
    len: usize,
}

fn end(placed: &[PlacedBlock]) -> usize {
    placed.iter().map(|place| place.at + place.len).max().unwrap_or(0)
}

/// Places blocks one after the other, each at the lowest place that no block holds at the same time.
fn places(blocks: &[Block]) -> Vec<PlacedBlock> {
    let mut placed: Vec<(PlacedBlock, &Block)> = Vec::new();
    for block in blocks {
        let mut meeting: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(_, other)| other.first <= block.last && block.first <= other.last)
            .map(|(place, _)| (place.at, place.at + place.len))
            .collect();
        meeting.sort_unstable();
        let mut at = 0;
        for (begin, end) in meeting {
            if begin >= at + block.len {
                break;
            }
            at = at.max(end);
        }
        placed.push((PlacedBlock { value: block.value, at, len: block.len }, block));
    }
    placed.into_iter().map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{models, nn::initialise};

    /// Runs the steps with the names of values in the place of numbers: whatever a step reads must still be there.
    #[test]
    fn what_a_step_reads_is_still_there() {
        for name in models::GENERATORS {
            for chw in [[3, 32, 32], [1, 9, 20], [5, 17, 11]] {
                let graph = models::generator(name, chw).unwrap();
                let network = DeviceNetwork::of(&graph, &initialise(&graph, false, 1)).unwrap();
                let arena = Scratch::of(&network);
                let mut holds: Vec<Option<(usize, usize)>> = vec![None; arena.len];
                let all = |value: usize| (0..network.len_of(value)).map(move |i| (value, i));
                let check = |holds: &[Option<(usize, usize)>], value: usize| {
                    let Some(at) = arena.at[value] else { return };
                    for (value, i) in all(value) {
                        assert_eq!(holds[at + i], Some((value, i)), "{name} {chw:?}");
                    }
                };
                for (value, step) in (1..).zip(&network.steps) {
                    step.inputs.iter().for_each(|&input| check(&holds, input));
                    let Some(at) = arena.at[value] else { continue };
                    let own = at..at + network.len_of(value);
                    for &input in &step.inputs {
                        let Some(from) = arena.at[input] else { continue };
                        let apart = from >= own.end || from + network.len_of(input) <= own.start;
                        let moves = matches!(step.operation, Operation::Tanh | Operation::Concat);
                        assert!(apart || moves, "{name} {chw:?}: step {value} overwrites {input}");
                    }
                    all(value).for_each(|(value, i)| holds[at + i] = Some((value, i)));
                }
                check(&holds, network.steps.len());
            }
        }
    }

    /// The largest step needs its input and its output; the layout needs little more.
    #[test]
    fn places_are_shared() {
        for (name, most) in [
            ("ConvL", 2 * 32 * 1024),
            ("ConvS", 32 * 1024 + 32 * 256),
            ("UNetS", 32 * 1024),
            ("UNetL", 64 * 1024),
            ("UIP", 0),
        ] {
            let graph = models::generator(name, [3, 32, 32]).unwrap();
            let network = DeviceNetwork::of(&graph, &initialise(&graph, false, 1)).unwrap();
            let arena = Scratch::of(&network);
            assert!(arena.len <= most, "{name}: {} floats, {most} would do", arena.len);
        }
    }
}
