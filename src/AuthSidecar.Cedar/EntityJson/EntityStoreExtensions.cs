namespace AuthSidecar.Cedar;

/// <summary>Reads and updates stores of entities.</summary>
public static class EntityStoreExtensions
{
    extension(EntityStore)
    {
        /// <summary>Reads Cedar's JSON format: an array of <c>{"uid", "attrs", "parents", "tags"?}</c>. An entity may occur twice only if
        /// it says the same both times; a hierarchy with a cycle is refused.</summary>
        /// <returns>False with the faults, each at its place.</returns>
        public static bool TryParse(SourceText json, [NotNullWhen(true)] out EntityStore? store, out IReadOnlyList<Fault> faults) =>
            EntityStore.TryParse(json, schema: null, out store, out faults);

        /// <summary>Reads entities that conform to a schema. What the schema says need not be said again: an entity reference may be
        /// written <c>{"type", "id"}</c> and an extension value as a string. The actions are the schema's; those that are given too must be
        /// the same.</summary>
        /// <param name="json">The entities.</param>
        /// <param name="schema">The schema; null: any entity will do.</param>
        /// <param name="store">The entities.</param>
        /// <param name="faults">What is wrong, each at its place.</param>
        /// <returns>False when there are faults.</returns>
        public static bool TryParse(
            SourceText json, Schema? schema, [NotNullWhen(true)] out EntityStore? store, out IReadOnlyList<Fault> faults) =>
            EntityStore.Empty.TryUpdate(json, [], schema, out store, out faults);
    }

    extension(EntityStore store)
    {
        /// <summary>Makes a store with some entities added or replaced, which are read as <c>TryParse</c> reads them, and others
        /// removed.</summary>
        /// <remarks>Takes time for what changes and what is above it, not for what is there.</remarks>
        /// <param name="json">The entities to add or replace.</param>
        /// <param name="removed">The entities to remove; those that are not there are passed over. One that is also given stays, as
        /// given.</param>
        /// <param name="schema">The schema that this store was read with.</param>
        /// <param name="updated">The new store.</param>
        /// <param name="faults">What is wrong, each at its place.</param>
        /// <returns>False when there are faults.</returns>
        public bool TryUpdate(SourceText json, IEnumerable<EntityUid> removed, Schema? schema, [NotNullWhen(true)] out EntityStore? updated,
            out IReadOnlyList<Fault> faults)
        {
            var found = new List<Fault>();
            faults = found;
            var given = EntityJsonReader.Read(json, schema, found);
            updated = found.Count == 0 ? EntityStoreUpdate.Apply(store, given, removed, schema, json, found) : null;
            return updated is not null;
        }

        /// <summary>Makes a store with some entities added or replaced, and others removed.</summary>
        /// <remarks>Takes time for what changes and what is above it, not for what is there.</remarks>
        /// <param name="given">The entities to add or replace.</param>
        /// <param name="removed">The entities to remove; those that are not there are passed over. One that is also given stays, as
        /// given.</param>
        /// <param name="schema">The schema that this store was read with.</param>
        /// <param name="updated">The new store.</param>
        /// <param name="faults">What is wrong.</param>
        /// <returns>False when there are faults.</returns>
        public bool TryUpdate(IEnumerable<Entity> given, IEnumerable<EntityUid> removed, Schema? schema,
            [NotNullWhen(true)] out EntityStore? updated, out IReadOnlyList<Fault> faults)
        {
            var found = new List<Fault>();
            faults = found;
            // Each of its own: the caller may give the same entities to other stores, or such as were made over one.
            updated = EntityStoreUpdate.Apply(store, [.. given.Select(e => new GivenEntity(e.Forget(), Offset: 0))], removed, schema,
                source: null, found);
            return updated is not null;
        }
    }
}
