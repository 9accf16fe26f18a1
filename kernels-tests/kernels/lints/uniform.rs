//! Barriers must be reached by all invocations of a workgroup or by none, and operations of a subgroup
//! by all of the subgroup. WGSL demands it and Tint checks it; naga does not (gfx-rs/naga #1744).
use super::flow::{Lint, Place, Root, root, run, space};
use naga::{
    AddressSpace, Binding, BuiltIn, Expression, Handle, Module, Statement, StorageAccess, TypeInner,
};
use std::collections::BTreeSet;

/// Operations that must be reached together but may be reached by some invocations only, each with its
/// function.
pub(super) fn reached_by_some(module: &Module) -> BTreeSet<String> {
    let of = |scope| {
        let mut lint = Uniform { scope, found: BTreeSet::new() };
        run(module, &mut lint);
        lint.found
    };
    &of(Scope::Workgroup) | &of(Scope::Subgroup)
}

/// The invocations that must stay together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Workgroup,
    Subgroup,
}

struct Uniform {
    scope: Scope,
    found: BTreeSet<String>,
}

impl Uniform {
    fn report(&mut self, at: &Place<'_>, what: &str) {
        let function = at.function.name.as_deref().unwrap_or("main");
        self.found.insert(format!("{what} in {function}"));
    }

    /// Whether a built-in value is the same for all invocations that must stay together.
    fn is_shared(&self, binding: Option<&Binding>) -> bool {
        let mut shared = vec![
            BuiltIn::WorkGroupId,
            BuiltIn::NumWorkGroups,
            BuiltIn::WorkGroupSize,
            BuiltIn::SubgroupSize,
            BuiltIn::NumSubgroups,
        ];
        if self.scope == Scope::Subgroup {
            shared.push(BuiltIn::SubgroupId);
        }
        matches!(binding, Some(Binding::BuiltIn(builtin)) if shared.contains(builtin))
    }
}

/// Whether memory may hold different values for different invocations, or at different times.
fn differs(at: &Place<'_>, pointer: Handle<Expression>) -> bool {
    let space = match root(at.function, pointer) {
        Root::Local(_) => return false,
        Root::Argument(i) => {
            let ty = at.function.arguments[i as usize].ty;
            match at.module.types[ty].inner {
                TypeInner::Pointer { space, .. } | TypeInner::ValuePointer { space, .. } => {
                    Some(space).filter(|space| *space != AddressSpace::Function)
                }
                _ => None,
            }
        }
        Root::Other => space(at, pointer),
    };
    match space {
        Some(AddressSpace::WorkGroup | AddressSpace::Private) => true,
        Some(AddressSpace::Storage { access }) => access.contains(StorageAccess::STORE),
        _ => false,
    }
}

impl Lint for Uniform {
    fn source(&self, at: &Place<'_>, expression: Handle<Expression>) -> bool {
        match at.function.expressions[expression] {
            Expression::FunctionArgument(i) => {
                let binding = at.function.arguments[i as usize].binding.as_ref();
                at.handle.is_none() && !self.is_shared(binding)
            }
            Expression::Load { pointer } => differs(at, pointer),
            Expression::AtomicResult { .. }
            | Expression::SubgroupBallotResult
            | Expression::SubgroupOperationResult { .. } => true,
            _ => false,
        }
    }

    fn follows_control(&self) -> bool {
        true
    }

    fn expression(&mut self, at: &Place<'_>, expression: Handle<Expression>, control: bool) {
        let of_subgroup = matches!(
            at.function.expressions[expression],
            Expression::CooperativeLoad { .. } | Expression::CooperativeMultiplyAdd { .. }
        );
        if control && of_subgroup && self.scope == Scope::Subgroup {
            self.report(at, "a cooperative operation");
        }
    }

    fn statement(&mut self, at: &Place<'_>, statement: &Statement, control: bool) {
        let (what, scope) = match statement {
            Statement::ControlBarrier(_) => ("a barrier", Scope::Workgroup),
            Statement::WorkGroupUniformLoad { .. } => ("a workgroupUniformLoad", Scope::Workgroup),
            Statement::SubgroupBallot { .. }
            | Statement::SubgroupGather { .. }
            | Statement::SubgroupCollectiveOperation { .. } => {
                ("a subgroup operation", Scope::Subgroup)
            }
            Statement::CooperativeStore { .. } => ("a cooperative operation", Scope::Subgroup),
            _ => return,
        };
        if control && scope == self.scope {
            self.report(at, what);
        }
    }
}
