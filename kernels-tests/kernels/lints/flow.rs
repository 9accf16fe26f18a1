//! Data flow in a shader: which expressions depend on what a lint calls a source, through operands,
//! local variables and calls, and (for lints that ask for it) through control flow. A variable stays
//! tainted for good: where branches differ, the answer is "depends".
use naga::{AddressSpace, Block, Expression, Function, Handle, LocalVariable, Module, Statement};
use std::collections::HashSet;

/// What a lint looks for.
pub(super) trait Lint {
    /// Whether a value is itself a source; `operands` says whether one of its operands is tainted.
    fn source(&self, at: &Place<'_>, expression: Handle<Expression>) -> bool;
    /// Whether values that are stored, and places that are reached, under a tainted condition are
    /// tainted too.
    fn follows_control(&self) -> bool;
    /// Called for every expression once the analysis is complete.
    fn expression(&mut self, at: &Place<'_>, expression: Handle<Expression>, control: bool);
    /// Called for every statement; `control` says whether a tainted condition decides on it.
    fn statement(&mut self, at: &Place<'_>, statement: &Statement, control: bool);
}

/// A function with the results of the analysis so far.
pub(super) struct Place<'a> {
    pub(super) module: &'a Module,
    pub(super) function: &'a Function,
    /// Handle in the module; `None` for the entry point.
    pub(super) handle: Option<Handle<Function>>,
    arguments: &'a [bool],
    expressions: Vec<bool>,
    locals: HashSet<Handle<LocalVariable>>,
    /// Pointer arguments whose targets have become tainted.
    pointed: HashSet<u32>,
    /// Expressions that get their values from statements.
    results: HashSet<Handle<Expression>>,
    returns: bool,
    control: bool,
}

/// Exits from a block that depend on a tainted condition.
#[derive(Clone, Copy, Default)]
struct Exits {
    breaks: bool,
    continues: bool,
    returns: bool,
}

impl Exits {
    fn or(self, other: Self) -> Self {
        Self {
            breaks: self.breaks || other.breaks,
            continues: self.continues || other.continues,
            returns: self.returns || other.returns,
        }
    }

    fn any(self) -> bool {
        self.breaks || self.continues || self.returns
    }
}

/// Runs a lint over the entry points and all functions that they call.
pub(super) fn run(module: &Module, lint: &mut dyn Lint) {
    for entry in &module.entry_points {
        let arguments = vec![false; entry.function.arguments.len()];
        analyse(module, &entry.function, None, &arguments, false, lint, true);
    }
}

/// Effect of a call: whether its result is tainted, and the targets of which pointer arguments are.
struct Called {
    result: bool,
    pointed: HashSet<u32>,
}

fn analyse(
    module: &Module,
    function: &Function,
    handle: Option<Handle<Function>>,
    arguments: &[bool],
    control: bool,
    lint: &mut dyn Lint,
    reports: bool,
) -> Called {
    let mut place = Place {
        module,
        function,
        handle,
        arguments,
        expressions: vec![false; function.expressions.len()],
        locals: HashSet::new(),
        pointed: HashSet::new(),
        results: HashSet::new(),
        returns: false,
        control,
    };
    loop {
        let before = place.known();
        place.evaluate(lint);
        place.block(&function.body, control, lint, false);
        if place.known() == before {
            break;
        }
    }
    if reports {
        place.block(&function.body, control, lint, true);
    }
    Called { result: place.returns, pointed: place.pointed }
}

impl Place<'_> {
    pub(super) fn is_tainted(&self, expression: Handle<Expression>) -> bool {
        self.expressions[expression.index()]
    }

    /// Number of known facts, which only grows.
    fn known(&self) -> [usize; 5] {
        let expressions = self.expressions.iter().filter(|&&t| t).count();
        let sets = [self.locals.len(), self.pointed.len(), self.results.len()];
        [expressions, sets[0], sets[1], sets[2], usize::from(self.returns)]
    }

    fn evaluate(&mut self, lint: &dyn Lint) {
        // Operands come before the expressions that use them.
        for (handle, expression) in self.function.expressions.iter() {
            let of_operands = operands(expression).iter().any(|&o| self.is_tainted(o));
            let own = match *expression {
                Expression::FunctionArgument(i) => self.arguments[i as usize],
                Expression::Load { pointer } => match root(self.function, pointer) {
                    Root::Local(local) => self.locals.contains(&local),
                    Root::Argument(i) => self.arguments[i as usize] || self.pointed.contains(&i),
                    Root::Other => false,
                },
                _ => self.results.contains(&handle),
            };
            self.expressions[handle.index()] = own || of_operands || lint.source(self, handle);
        }
    }

    fn taint_target(&mut self, pointer: Handle<Expression>) {
        match root(self.function, pointer) {
            Root::Local(local) => {
                self.locals.insert(local);
            }
            Root::Argument(i) => {
                self.pointed.insert(i);
            }
            Root::Other => {}
        }
    }

    fn block(&mut self, block: &Block, control: bool, lint: &mut dyn Lint, reports: bool) -> Exits {
        let mut exits = Exits::default();
        for statement in block {
            // Past an exit that only some invocations take, the rest of the block is reached only by
            // the others.
            let control = control || lint.follows_control() && exits.any();
            exits = exits.or(self.statement(statement, control, lint, reports));
        }
        exits
    }

    fn statement(
        &mut self,
        statement: &Statement,
        control: bool,
        lint: &mut dyn Lint,
        reports: bool,
    ) -> Exits {
        if reports {
            lint.statement(self, statement, control);
        }
        let follows = lint.follows_control();
        let under = |tainted: bool| control || follows && tainted;
        match statement {
            Statement::Emit(range) if reports => {
                for expression in range.clone() {
                    lint.expression(self, expression, control);
                }
            }
            Statement::Block(inner) => return self.block(inner, control, lint, reports),
            Statement::If { condition, accept, reject } => {
                let control = under(self.is_tainted(*condition));
                let exits = self.block(accept, control, lint, reports);
                return exits.or(self.block(reject, control, lint, reports));
            }
            Statement::Switch { selector, cases } => {
                let control = under(self.is_tainted(*selector));
                let mut exits = Exits::default();
                for case in cases {
                    exits = exits.or(self.block(&case.body, control, lint, reports));
                }
                return Exits { breaks: false, ..exits };
            }
            Statement::Loop { body, continuing, break_if } => {
                let mut turn = |control: bool, reports: bool, lint: &mut dyn Lint| {
                    let exits = self.block(body, control, lint, reports);
                    let exits = exits.or(self.block(continuing, control, lint, reports));
                    let breaks = break_if.is_some_and(|condition| self.is_tainted(condition));
                    Exits { breaks: exits.breaks || breaks, ..exits }
                };
                // Some invocations leave earlier than others: not all of them reach the next
                // iteration.
                let apart = follows && turn(control, false, lint).any();
                let exits = turn(control || apart, reports, lint);
                return Exits { returns: exits.returns, ..Exits::default() };
            }
            Statement::Break => return Exits { breaks: control, ..Exits::default() },
            Statement::Continue => return Exits { continues: control, ..Exits::default() },
            Statement::Return { value } => {
                let tainted = value.is_some_and(|value| self.is_tainted(value));
                self.returns |= tainted || control && follows && value.is_some();
                return Exits { returns: control && !self.control, ..Exits::default() };
            }
            Statement::Store { pointer, value }
                if self.is_tainted(*value) || self.is_tainted(*pointer) || control && follows =>
            {
                self.taint_target(*pointer);
            }
            Statement::Call { function, arguments, result } => {
                self.call(*function, arguments, *result, control, lint, reports);
            }
            Statement::Atomic { pointer, value, result, .. }
                if self.is_tainted(*pointer) || self.is_tainted(*value) =>
            {
                self.results.extend(*result);
            }
            Statement::SubgroupGather { argument, result, .. }
            | Statement::SubgroupCollectiveOperation { argument, result, .. }
                if self.is_tainted(*argument) =>
            {
                self.results.insert(*result);
            }
            _ => {}
        }
        Exits::default()
    }

    fn call(
        &mut self,
        callee: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        control: bool,
        lint: &mut dyn Lint,
        reports: bool,
    ) {
        let of_argument = |&argument: &Handle<Expression>| {
            let target = match root(self.function, argument) {
                Root::Local(local) => self.locals.contains(&local),
                Root::Argument(i) => self.pointed.contains(&i),
                Root::Other => false,
            };
            self.is_tainted(argument) || target
        };
        let tainted: Vec<bool> = arguments.iter().map(of_argument).collect();
        let function = &self.module.functions[callee];
        let called = analyse(self.module, function, Some(callee), &tainted, control, lint, reports);
        if called.result {
            self.results.extend(result);
        }
        for i in called.pointed {
            self.taint_target(arguments[i as usize]);
        }
    }
}

/// Variable or argument that a pointer points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Local(Handle<LocalVariable>),
    Argument(u32),
    /// A global variable, or a value that is no pointer.
    Other,
}

pub(super) fn root(function: &Function, mut pointer: Handle<Expression>) -> Root {
    loop {
        pointer = match function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => base,
            Expression::LocalVariable(local) => return Root::Local(local),
            Expression::FunctionArgument(i) => return Root::Argument(i),
            _ => return Root::Other,
        };
    }
}

/// The address space of the global variable that a pointer points into.
pub(super) fn space(at: &Place<'_>, mut pointer: Handle<Expression>) -> Option<AddressSpace> {
    loop {
        pointer = match at.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => base,
            Expression::GlobalVariable(global) => {
                return Some(at.module.global_variables[global].space);
            }
            _ => return None,
        };
    }
}

/// Operands of an expression.
pub(super) fn operands(expression: &Expression) -> Vec<Handle<Expression>> {
    use Expression as E;
    match *expression {
        E::Compose { ref components, .. } => components.clone(),
        E::Access { base, index } => vec![base, index],
        E::AccessIndex { base, .. } => vec![base],
        E::Splat { value, .. } => vec![value],
        E::Swizzle { vector, .. } => vec![vector],
        E::Load { pointer } => vec![pointer],
        E::Unary { expr, .. } | E::As { expr, .. } => vec![expr],
        E::Binary { left, right, .. } => vec![left, right],
        E::Select { condition, accept, reject } => vec![condition, accept, reject],
        E::Relational { argument, .. } => vec![argument],
        E::Math { arg, arg1, arg2, arg3, .. } => {
            [Some(arg), arg1, arg2, arg3].into_iter().flatten().collect()
        }
        E::ArrayLength(of) => vec![of],
        E::CooperativeLoad { ref data, .. } => vec![data.pointer, data.stride],
        E::CooperativeMultiplyAdd { a, b, c } => vec![a, b, c],
        E::Literal(_)
        | E::Constant(_)
        | E::Override(_)
        | E::ZeroValue(_)
        | E::FunctionArgument(_)
        | E::GlobalVariable(_)
        | E::LocalVariable(_)
        | E::CallResult(_)
        | E::AtomicResult { .. }
        | E::WorkGroupUniformLoadResult { .. }
        | E::SubgroupBallotResult
        | E::SubgroupOperationResult { .. } => Vec::new(),
        ref other => panic!("no compute shader of ours has {other:?}"),
    }
}
