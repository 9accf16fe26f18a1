//! Indices must be integers throughout: past 2^24 floats skip integers, and their rounding differs
//! between adapters.
use super::flow::{Lint, Place, run};
use naga::{Expression, Handle, Module, ScalarKind, Statement, TypeInner, valid::ModuleInfo};
use std::collections::BTreeSet;

/// Functions that use a converted float as an index.
pub(super) fn through_floats(module: &Module, info: &ModuleInfo) -> BTreeSet<String> {
    let mut lint = Indices { info, found: BTreeSet::new() };
    run(module, &mut lint);
    lint.found
}

struct Indices<'a> {
    info: &'a ModuleInfo,
    found: BTreeSet<String>,
}

impl Lint for Indices<'_> {
    fn source(&self, at: &Place<'_>, expression: Handle<Expression>) -> bool {
        let Expression::As { expr, kind, .. } = at.function.expressions[expression] else {
            return false;
        };
        let types = at.handle.map_or_else(|| self.info.get_entry_point(0), |f| &self.info[f]);
        let from = match types[expr].ty.inner_with(&at.module.types) {
            TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => scalar.kind,
            _ => return false,
        };
        from == ScalarKind::Float && matches!(kind, ScalarKind::Sint | ScalarKind::Uint)
    }

    fn follows_control(&self) -> bool {
        false
    }

    fn expression(&mut self, at: &Place<'_>, expression: Handle<Expression>, _control: bool) {
        if let Expression::Access { index, .. } = at.function.expressions[expression]
            && at.is_tainted(index)
        {
            self.found.insert(at.function.name.clone().unwrap_or_else(|| "main".into()));
        }
    }

    fn statement(&mut self, _at: &Place<'_>, _statement: &Statement, _control: bool) {}
}
