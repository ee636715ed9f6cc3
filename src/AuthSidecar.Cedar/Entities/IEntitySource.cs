using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Cedar;

/// <summary>Where the evaluator finds entities: a store, or something laid over one.</summary>
/// <remarks>Called in the middle of a decision: an implementation answers from memory, always the same during one call, and does not throw.</remarks>
public interface IEntitySource
{
    /// <summary>Finds an entity.</summary>
    /// <returns>False when there is none; that is no error until an attribute or tag of it is asked for.</returns>
    bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity);
}
