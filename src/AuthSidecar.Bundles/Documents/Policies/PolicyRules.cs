namespace AuthSidecar.Bundles;

/// <summary>The policies of a snapshot, what their annotations mean to us, and the actions there are. Immutable.</summary>
internal sealed class PolicyRules
{
    private readonly FrozenDictionary<string, PolicyAnnotations> _annotations;

    /// <param name="annotations">What their annotations mean, by policy id.</param>
    /// <param name="schema">The schema; null: there is none, and any action may be asked about.</param>
    /// <param name="isStrict">Whether a forbid that errs denies.</param>
    public PolicyRules(PolicySet policies, IReadOnlyDictionary<string, PolicyAnnotations> annotations, Schema? schema, bool isStrict)
    {
        Policies = policies;
        _annotations = annotations.ToFrozenDictionary(StringComparer.Ordinal);
        Requests = schema is null ? null : new RequestValidator(schema, ContextContract.IsReserved);
        IsStrict = isStrict;
    }

    /// <summary>Reads what the annotations of policies mean, and reports those that can only be a mistake.</summary>
    public static PolicyRules Read(PolicySet policies, Schema? schema, bool isStrict, List<Fault> faults) =>
        new(policies, policies.Policies.ToDictionary(p => p.Id, p => PolicyAnnotations.Read(p, faults), StringComparer.Ordinal), schema,
            isStrict);

    public PolicySet Policies { get; }

    /// <summary>What validation warns of: it may be served, but is hardly what was meant.</summary>
    public IReadOnlyList<Fault> Warnings { get; private set; } = [];

    /// <summary>Whether a forbid that errs denies. Cedar itself skips it; then what was to be forbidden may be allowed.</summary>
    public bool IsStrict { get; }

    /// <summary>The schema that the policies were validated with; null: none.</summary>
    public SchemaDocument? Schema { get; private set; }

    /// <summary>The same rules, once validated.</summary>
    public PolicyRules With(SchemaDocument schema, IReadOnlyList<Fault> warnings)
    {
        var rules = (PolicyRules)MemberwiseClone();
        (rules.Schema, rules.Warnings) = (schema, warnings);
        return rules;
    }

    public PolicyAnnotations AnnotationsOf(Policy policy) => _annotations.GetValueOrDefault(policy.Id, PolicyAnnotations.None);

    /// <summary>What requests look like under the schema; null: there is none.</summary>
    public RequestValidator? Requests { get; }
}
