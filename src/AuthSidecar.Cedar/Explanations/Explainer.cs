namespace AuthSidecar.Cedar;

/// <summary>Explains how a policy came out for a request, and what would have changed it.</summary>
public sealed class Explainer
{
    private readonly Policy _policy;
    private readonly TreeWalker _walker;
    private readonly Remedies _remedies;

    private Explainer(Policy policy, EntitySource entities, in Request request)
    {
        _policy = policy;
        _walker = new TreeWalker(request, entities);
        _remedies = new Remedies(_walker);
    }

    /// <summary>Evaluates one policy part by part.</summary>
    /// <remarks>For people: it walks the syntax tree, far slower than a decision.</remarks>
    public static PolicyTrace Explain(Policy policy, EntitySource entities, in Request request) =>
        new Explainer(policy, entities, request).Explain();

    private PolicyTrace Explain()
    {
        // The scope is an expression like any other, and cannot err.
        var scope = Validator.ScopeOf(_policy.Syntax, _policy.Scope).FindAll(test => test is not LiteralExpr);
        var tests = scope.ConvertAll(test => Trace(test, PolicyPrinter.Print(test), span: null, wanted: true));
        if (tests.Exists(t => !t.Holds))
        {
            var rest = _policy.Conditions.Select(c => (c.Body, Wanted: !c.IsUnless));
            return new PolicyTrace(
                _policy, PolicyOutcome.ScopeDoesNotMatch, tests, [], _remedies.ForAll([.. scope.Select(s => (s, true)), .. rest]));
        }

        var conditions = new List<PartTrace>();
        foreach (var condition in _policy.Conditions)
        {
            var trace = Trace(condition.Body, PolicyPrinter.Print(condition), condition.Span, !condition.IsUnless);
            conditions.Add(trace);
            if (!trace.Holds)
            {
                var outcome = trace.Error is null ? PolicyOutcome.ConditionDoesNotHold : PolicyOutcome.Error;
                return new PolicyTrace(
                    _policy, outcome, tests, conditions, _remedies.ForAll([.. _policy.Conditions.Select(c => (c.Body, !c.IsUnless))]));
            }
        }

        return new PolicyTrace(_policy, PolicyOutcome.Satisfied, tests, conditions,
            _remedies.ForAny([.. _policy.Conditions.Select(c => (c.Body, c.IsUnless))]));
    }

    private PartTrace Trace(Expr expr, string text, SourceSpan? span, bool wanted)
    {
        EvaluationError? error = null;
        var holds = false;
        if (!_walker.TryEvaluate(expr, out var value, out var failure))
            error = failure.ToError();
        else if (!value.TryGet(out bool truth))
            error = Failure.WrongType(expr, value, "bool").ToError();
        else
            holds = truth == wanted;

        return new PartTrace(text, span, holds, error, OperandsOf(expr));
    }

    /// <summary>The variables and attributes that an expression asks about, each once, in order; an attribute stands for what it is taken
    /// from.</summary>
    private List<OperandTrace> OperandsOf(Expr expr)
    {
        var operands = new List<OperandTrace>();
        var left = new Stack<Expr>([expr]);
        while (left.TryPop(out var next))
        {
            if (next is VariableExpr { Variable: Variable.Context })
                continue;

            if (next is VariableExpr or AttributeExpr || next is BinaryExpr { Operator: BinaryOperator.GetTag })
            {
                var text = PolicyPrinter.Print(next);
                if (!operands.Exists(o => o.Text == text))
                {
                    operands.Add(_walker.TryEvaluate(next, out var value, out var failure)
                        ? new OperandTrace(text, value, null)
                        : new OperandTrace(text, default, failure.ToError()));
                }

                continue;
            }

            foreach (var part in next.Parts().Reverse())
                left.Push(part);
        }

        return operands;
    }
}
