namespace AuthSidecar.Cedar;

/// <summary>Checks policies against a schema: a policy that passes does not err when it is evaluated on what conforms to the
/// schema.</summary>
/// <param name="schema">The schema.</param>
/// <param name="options">How to validate; null: strictly.</param>
public sealed class Validator(Schema schema, ValidationOptions? options = null)
{
    private readonly ValidationOptions _options = options ?? new ValidationOptions();

    /// <summary>Checks every policy, template and link of a set.</summary>
    public ValidationResult Validate(PolicySet policies)
    {
        ArgumentNullException.ThrowIfNull(policies);
        var errors = new List<ValidationFinding>();
        var warnings = new List<ValidationFinding>();
        var table = new TypeTable(_options.Mode == ValidationMode.Strict);
        foreach (var template in policies.Policies.Where(p => p.TemplateId is null).Select(p => p.Body).Concat(policies.Templates))
            Validate(template, policies.Release, table, errors, warnings);

        foreach (var link in policies.Policies.Where(p => p.TemplateId is not null))
            ValidateLink(link, policies.Release, table, errors, warnings);

        return new ValidationResult(errors, warnings);
    }

    private void Validate(
        Template policy, CedarRelease release, TypeTable table, List<ValidationFinding> errors, List<ValidationFinding> warnings)
    {
        var faults = new List<TypeFault>();
        CheckNames(policy.Syntax, table, faults);
        if (!HasApplicableAction(policy.Syntax.Action, policy.Syntax.Principal, policy.Syntax.Resource))
        {
            faults.Add(new TypeFault(ValidationKind.InvalidActionApplication, policy.Syntax.Span,
                "no action of the scope applies to a principal and a resource of the scope", null));
        }

        var typeFaults = new HashSet<TypeFault>();
        if (!CheckTypes(policy.Syntax, table, typeFaults, out var cause, out var help))
        {
            warnings.Add(Finding(policy, new TypeFault(
                ValidationKind.ImpossiblePolicy,
                cause?.Span ?? policy.Syntax.Span,
                cause is null ? "the policy is never satisfied"
                    : $"the policy is never satisfied: `{PolicyPrinter.Brief(cause)}` is never true",
                cause is null ? null : help)));
        }

        Report(faults.Concat(typeFaults).Select(f => Finding(policy, f)), release, errors, warnings);
        warnings.AddRange(TextChecks.Check(ConditionOf(policy.Syntax)).Select(f => Finding(policy, f)));
    }

    private static void Report(
        IEnumerable<ValidationFinding> findings, CedarRelease release, List<ValidationFinding> errors, List<ValidationFinding> warnings)
    {
        foreach (var finding in findings)
        {
            var isWarning = finding.Kind == ValidationKind.InvalidActionApplication && release >= CedarRelease.V4_13;
            (isWarning ? warnings : errors).Add(finding);
        }
    }

    private static ValidationFinding Finding(Template policy, TypeFault fault) =>
        new(fault.Kind, policy.Id, Fault.At(policy.Source, fault.Span.Start, fault.Message, fault.Help));

    // ------------------------------------------------------------------ types

    /// <summary>Checks the policy in every environment.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="table">Makes the types.</param>
    /// <param name="faults">Gets what is wrong.</param>
    /// <param name="cause">The part that keeps it from being satisfied, if it is the same one wherever as much as possible in front of it
    /// fits.</param>
    /// <param name="help">What may have been meant by that part.</param>
    /// <returns>Whether there is one in which it may be satisfied, or in which nobody can tell.</returns>
    private bool CheckTypes(PolicySyntax policy, TypeTable table, HashSet<TypeFault> faults, out Expr? cause, out string? help)
    {
        (cause, help) = (null, null);
        var furthest = -1;
        var condition = ConditionOf(policy);
        var ids = new ExprIds();
        var isPossible = false;
        foreach (var environment in EnvironmentsOf(policy))
        {
            var checker = new TypeChecker(schema, environment, table, ids, _options.Mode == ValidationMode.Strict, faults);
            var isPossibleHere = checker.Check(condition);
            isPossible |= isPossibleHere;
            if (!isPossible && FindCause(condition, checker) is var (found, place) && place >= furthest)
            {
                cause = place > furthest || ReferenceEquals(cause, found) ? found : null;
                help ??= found is HasExpr has ? checker.SuggestAttribute(has) : null;
                furthest = place;
            }

            if (_options.Level is { } most && new LevelChecker(checker).LevelOf(condition) is var needed && needed > most)
            {
                faults.Add(new TypeFault(
                    ValidationKind.EntityDerefLevelViolation,
                    policy.Span,
                    needed >= LevelChecker.Unbounded
                        ? "an entity literal is dereferenced, which no level allows"
                        : string.Create(
                            CultureInfo.InvariantCulture, $"the policy needs level {needed} (entity dereferences in a row), limit {most}"),
                    null));
            }
        }

        return isPossible;
    }

    /// <summary>The innermost operand that is never true, and which part of the policy it belongs to.</summary>
    private static (Expr? Found, int Place) FindCause(LogicExpr condition, TypeChecker types)
    {
        for (var place = 0; place < condition.Operands.Count; place++)
        {
            if (types.TypeOf(condition.Operands[place]) != CheckedType.False)
                continue;

            var found = condition.Operands[place];
            while (found is LogicExpr { IsAnd: true } chain
                && chain.Operands.FirstOrDefault(o => types.TypeOf(o) == CheckedType.False) is { } operand)
            {
                found = operand;
            }

            return (found, place);
        }

        return (null, -1);
    }

    /// <summary>Each action with each type of principal and resource it applies to, and each type that the slots may stand for.</summary>
    private IEnumerable<RequestEnvironment> EnvironmentsOf(PolicySyntax policy) =>
        from action in schema.Actions.Values
        from principal in action.Principals
        from resource in action.Resources
        from principalSlot in SlotTypes(policy.Principal, principal)
        from resourceSlot in SlotTypes(policy.Resource, resource)
        select new RequestEnvironment(action, principal, resource, principalSlot, resourceSlot);

    private IEnumerable<string?> SlotTypes(ScopeConstraint constraint, string type)
    {
        if (!constraint.HasSlot)
            return [null];

        return constraint.Operator != ScopeOperator.Equal && schema.EntityTypes.ContainsKey(type)
            ? schema.EntityHierarchy.Above(type).Append(type).Distinct(StringComparer.Ordinal) : [type];
    }

    /// <summary>The whole of a policy as one expression: scope and conditions.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="scope">What its slots stand for; null: they stand for themselves.</param>
    internal static LogicExpr ConditionOf(PolicySyntax policy, CompiledScope? scope = null)
    {
        var span = policy.Span;
        var parts = ScopeOf(policy, scope);
        // Side by side: there may be as many as there is room for.
        Expr[] conditions = [.. policy.Conditions.Select(c => c.IsUnless ? new UnaryExpr(UnaryOperator.Not, c.Body, c.Span) : c.Body)];
        parts.Add(conditions.Length switch
        {
            0 => new LiteralExpr(Value.True, span),
            1 => conditions[0],
            _ => new LogicExpr(isAnd: true, conditions, span),
        });
        return new LogicExpr(isAnd: true, parts, span);
    }

    /// <summary>The scope as three expressions; a place where everything fits is <c>true</c>.</summary>
    internal static List<Expr> ScopeOf(PolicySyntax policy, CompiledScope? scope) =>
    [
        ScopeOf(Variable.Principal, policy.Principal, scope?.Principal, policy.Span),
        ScopeOf(Variable.Action, policy.Action, scope?.Action, policy.Span),
        ScopeOf(Variable.Resource, policy.Resource, scope?.Resource, policy.Span),
    ];

    private static Expr ScopeOf(Variable variable, ScopeConstraint constraint, ScopeTest? filled, SourceSpan span)
    {
        span = constraint.Span ?? span;
        var of = new VariableExpr(variable, span);
        Expr entity = constraint.HasSlot
            ? filled is null ? new SlotExpr(variable, span) : new LiteralExpr(Value.Of(filled.Entities[0]), span)
            : constraint.Operator == ScopeOperator.InAny ? new SetExpr(
                [.. constraint.Entities!.Select((e, i) => new LiteralExpr(Value.Of(e), constraint.EntitySpans?[i] ?? span))], span)
            : constraint.Entities is { Count: > 0 } entities ? new LiteralExpr(Value.Of(entities[0]), constraint.EntitySpans?[0] ?? span)
            : of;
        return constraint.Operator switch
        {
            ScopeOperator.Equal => new BinaryExpr(BinaryOperator.Equal, of, entity, span),
            ScopeOperator.In or ScopeOperator.InAny => new BinaryExpr(BinaryOperator.In, of, entity, span),
            ScopeOperator.Is => new IsExpr(of, constraint.Type!, null, span),
            ScopeOperator.IsIn => new IsExpr(of, constraint.Type!, entity, span),
            _ => new LiteralExpr(Value.True, span),
        };
    }

    // ------------------------------------------------------------------ names

    private void CheckNames(PolicySyntax policy, TypeTable table, List<TypeFault> faults)
    {
        foreach (var constraint in new[] { policy.Principal, policy.Action, policy.Resource })
        {
            if (constraint.Type is { } type)
                CheckType(type, constraint.TypeSpan ?? policy.Span, table, faults);

            for (var i = 0; i < (constraint.Entities?.Count ?? 0); i++)
                CheckUid(constraint.Entities![i], constraint.EntitySpans?[i] ?? policy.Span, table, faults);
        }

        foreach (var condition in policy.Conditions)
        {
            foreach (var expr in condition.Body.SelfAndParts())
            {
                if (expr is LiteralExpr literal && literal.Value.TryGet(out EntityUid? uid))
                    CheckUid(uid, expr.Span, table, faults);
                else if (expr is IsExpr test)
                    CheckType(test.Type, expr.Span, table, faults);
            }
        }
    }

    private void CheckUid(EntityUid uid, SourceSpan span, TypeTable table, List<TypeFault> faults)
    {
        if (EntityType.IsAction(uid.Type))
        {
            if (!schema.Actions.ContainsKey(uid))
            {
                faults.Add(new TypeFault(
                    ValidationKind.UnrecognizedActionId, span, $"unrecognized action `{uid}`", table.Suggestions.For(
                        uid, schema.Actions.Keys)));
            }

            return;
        }

        CheckType(uid.Type, span, table, faults);
        if (schema.EntityTypes.TryGetValue(uid.Type, out var type) && type.EnumIds?.Contains(uid.Id) == false)
        {
            faults.Add(new TypeFault(
                ValidationKind.InvalidEnumEntity,
                span,
                $"`{uid}` is not a valid id of enumerated entity type `{uid.Type}`",
                table.Suggestions.For(uid, type.EnumIds!.Select(id => EntityUid.OfCheckedType(uid.Type, id)))));
        }
    }

    private void CheckType(string type, SourceSpan span, TypeTable table, List<TypeFault> faults)
    {
        if (!schema.EntityTypes.ContainsKey(type) && !EntityType.IsAction(type))
        {
            faults.Add(new TypeFault(ValidationKind.UnrecognizedEntityType, span, $"unrecognized entity type `{type}`",
                table.Suggestions.For(type, schema.EntityTypes.Keys)));
        }
    }

    // ------------------------------------------------------------------ application of actions

    private bool HasApplicableAction(ScopeConstraint action, ScopeConstraint principal, ScopeConstraint resource,
        EntityUid? principalSlot = null, EntityUid? resourceSlot = null) =>
        schema.Actions.Values.Any(a => Fits(a, action)
            && a.Principals.Any(t => MayFit(t, principal, principalSlot))
            && a.Resources.Any(t => MayFit(t, resource, resourceSlot)));

    private bool Fits(SchemaAction action, ScopeConstraint constraint) => constraint.Operator switch
    {
        ScopeOperator.Equal => action.Uid.Equals(constraint.Entity),
        ScopeOperator.In or ScopeOperator.InAny => constraint.Entities!.Any(e => schema.IsIn(action.Uid, e)),
        _ => true,
    };

    /// <summary>Whether an entity of the type may fit the scope.</summary>
    private bool MayFit(string type, ScopeConstraint constraint, EntityUid? slot)
    {
        var entity = constraint.HasSlot ? slot : constraint.Entities?[0];
        return constraint.Operator switch
        {
            ScopeOperator.Equal => entity is null || string.Equals(entity.Type, type, StringComparison.Ordinal),
            ScopeOperator.In => entity is null || schema.MayBeIn(type, entity.Type),
            ScopeOperator.Is => string.Equals(constraint.Type, type, StringComparison.Ordinal),
            ScopeOperator.IsIn => string.Equals(constraint.Type, type, StringComparison.Ordinal)
                && (entity is null || schema.MayBeIn(type, entity.Type)),
            _ => true,
        };
    }
    // ------------------------------------------------------------------ links

    /// <summary>The entities of a link: its template is checked by itself.</summary>
    private void ValidateLink(
        Policy link, CedarRelease release, TypeTable table, List<ValidationFinding> errors, List<ValidationFinding> warnings)
    {
        var faults = new List<TypeFault>();
        var principal = SlotOf(link.Syntax.Principal, link.Scope.Principal);
        var resource = SlotOf(link.Syntax.Resource, link.Scope.Resource);
        foreach (var uid in new[] { principal, resource }.Where(u => u is not null))
            CheckUid(uid!, link.Span, table, faults);

        if (!HasApplicableAction(link.Syntax.Action, link.Syntax.Principal, link.Syntax.Resource, principal, resource))
        {
            faults.Add(new TypeFault(
                ValidationKind.InvalidActionApplication, link.Span, "no action of the scope applies to the entities of the link", null));
        }

        Report(faults.Select(f => Finding(link.Body, f) with { PolicyId = link.Id }), release, errors, warnings);
    }

    private static EntityUid? SlotOf(ScopeConstraint constraint, ScopeTest filled) => constraint.HasSlot ? filled.Entities[0] : null;
}
