//! Loops must end: each has a variable that every iteration advances and that the exit condition
//! compares with a bound. Trusted variants run without the guard that wgpu otherwise adds to every
//! loop.
use super::flow::{Root, operands, root};
use naga::{BinaryOperator, Block, Expression, Function, Handle, LocalVariable, Module, Statement};
use std::collections::HashSet;

/// Number of loops, and the functions with loops without a bound.
pub(super) fn unbounded(module: &Module) -> (usize, Vec<String>) {
    let (mut count, mut found) = (0, Vec::new());
    let functions = module.functions.iter().map(|(_, function)| function);
    for function in functions.chain(module.entry_points.iter().map(|entry| &entry.function)) {
        every_loop(&function.body, &mut |turn| {
            count += 1;
            if !turn.is_bounded(function) {
                found.push(function.name.clone().unwrap_or_else(|| "main".into()));
            }
        });
    }
    (count, found)
}

/// A loop, with the values that an iteration stores into local variables.
struct Turn<'a> {
    blocks: [&'a Block; 2],
    break_if: Option<Handle<Expression>>,
}

fn inner(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|case| &case.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

fn every_loop<'a>(block: &'a Block, each: &mut impl FnMut(Turn<'a>)) {
    for statement in block {
        if let Statement::Loop { body, continuing, break_if } = statement {
            each(Turn { blocks: [body, continuing], break_if: *break_if });
        }
        for block in inner(statement) {
            every_loop(block, each);
        }
    }
}

impl Turn<'_> {
    fn is_bounded(&self, function: &Function) -> bool {
        let stores = self.stores(function);
        let conditions = self.conditions();
        let stepped = stores.iter().filter(|&&(local, value)| is_step(function, local, value));
        let mut counters = stepped.map(|&(local, _)| local);
        counters
            .any(|counter| conditions.iter().any(|&way| compares(function, &stores, way, counter)))
    }

    /// Values stored into local variables, inner loops included, and the condition of the store: naga
    /// writes `a && b` as a variable that gets the value of b if a holds.
    fn stores(&self, function: &Function) -> Vec<(Handle<LocalVariable>, Handle<Expression>)> {
        let mut stores = Vec::new();
        let mut blocks: Vec<(&Block, Option<Handle<Expression>>)> =
            self.blocks.iter().map(|block| (*block, None)).collect();
        while let Some((block, under)) = blocks.pop() {
            for statement in block {
                if let &Statement::Store { pointer, value } = statement
                    && let Root::Local(local) = root(function, pointer)
                {
                    stores.extend([Some(value), under].into_iter().flatten().map(|v| (local, v)));
                }
                let under = match statement {
                    Statement::If { condition, .. } => Some(*condition),
                    _ => under,
                };
                blocks.extend(inner(statement).into_iter().map(|block| (block, under)));
            }
        }
        stores
    }

    /// Conditions that lead directly out of the loop.
    fn conditions(&self) -> Vec<Handle<Expression>> {
        let leaves = |block: &Block| {
            matches!(block.last(), Some(Statement::Break | Statement::Return { .. }))
        };
        let mut conditions: Vec<_> = self.break_if.into_iter().collect();
        for statement in self.blocks.iter().flat_map(|block| block.iter()) {
            if let Statement::If { condition, accept, reject } = statement
                && (leaves(accept) || leaves(reject))
            {
                conditions.push(*condition);
            }
        }
        conditions
    }
}

/// All expressions that a value depends on, through the local variables that `stores` fill.
fn sources(
    function: &Function,
    stores: &[(Handle<LocalVariable>, Handle<Expression>)],
    value: Handle<Expression>,
) -> HashSet<Handle<Expression>> {
    let (mut seen, mut rest) = (HashSet::new(), vec![value]);
    while let Some(value) = rest.pop() {
        if !seen.insert(value) {
            continue;
        }
        let expression = &function.expressions[value];
        let Expression::Load { pointer } = *expression else {
            rest.extend(operands(expression));
            continue;
        };
        // A value in memory, at an index from the counter, is no counter.
        if let Root::Local(local) = root(function, pointer) {
            rest.extend(stores.iter().filter(|(to, _)| *to == local).map(|(_, value)| value));
        }
    }
    seen
}

fn loads(function: &Function, value: Handle<Expression>, local: Handle<LocalVariable>) -> bool {
    matches!(function.expressions[value], Expression::Load { pointer }
        if root(function, pointer) == Root::Local(local))
}

/// Whether a value is the variable's own value, advanced by one step.
fn is_step(function: &Function, local: Handle<LocalVariable>, value: Handle<Expression>) -> bool {
    use BinaryOperator::{Add, Divide, Multiply, ShiftLeft, ShiftRight, Subtract};
    let Expression::Binary { op, left, right } = function.expressions[value] else { return false };
    matches!(op, Add | Subtract | Multiply | Divide | ShiftLeft | ShiftRight)
        && [left, right].iter().any(|&side| loads(function, side, local))
}

/// Whether a condition compares the variable with a bound.
fn compares(
    function: &Function,
    stores: &[(Handle<LocalVariable>, Handle<Expression>)],
    condition: Handle<Expression>,
    counter: Handle<LocalVariable>,
) -> bool {
    use BinaryOperator::{Greater, GreaterEqual, Less, LessEqual};
    sources(function, stores, condition).iter().any(|&value| {
        let Expression::Binary { op, left, right } = function.expressions[value] else {
            return false;
        };
        let has = |side| sources(function, &[], side).iter().any(|&v| loads(function, v, counter));
        matches!(op, Less | LessEqual | Greater | GreaterEqual) && (has(left) || has(right))
    })
}
