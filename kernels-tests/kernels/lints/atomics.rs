//! Floats must be summed in a fixed order: float sums made with atomics differ from run to run.
use naga::{AtomicFunction, Block, Module, ScalarKind, Statement, TypeInner};

/// Atomics of floats, whose types are not portable either; without such types, floats are added by
/// a loop of compare-exchange.
pub(super) fn of_floats(module: &Module) -> Vec<&'static str> {
    let float = |inner: &TypeInner| matches!(inner, TypeInner::Atomic(scalar) if scalar.kind == ScalarKind::Float);
    let mut found = Vec::new();
    if module.types.iter().any(|(_, ty)| float(&ty.inner)) {
        found.push("an atomic float");
    }
    let functions = module.functions.iter().map(|(_, function)| function);
    let mut all = functions.chain(module.entry_points.iter().map(|entry| &entry.function));
    if all.any(|function| exchanges(&function.body)) {
        found.push("a compare-exchange");
    }
    found
}

fn exchanges(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Atomic { fun: AtomicFunction::Exchange { compare: Some(_) }, .. } => true,
        Statement::Block(inner) => exchanges(inner),
        Statement::If { accept, reject, .. } => exchanges(accept) || exchanges(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| exchanges(&case.body)),
        Statement::Loop { body, continuing, .. } => exchanges(body) || exchanges(continuing),
        _ => false,
    })
}
