namespace AuthSidecar.Cedar;

/// <summary>Entities and records of values in Cedar's JSON format.</summary>
public static class EntityJsonExtensions
{
    extension(ValueRecord)
    {
        /// <summary>Reads a record of values in Cedar's JSON format, such as a request's context.</summary>
        /// <param name="json">The record.</param>
        /// <param name="type">The type that it is to be of, which then need not be repeated in escapes; null: any will do.</param>
        /// <param name="record">The record. Whether it conforms to the type is for <see cref="Schema.Check"/> to say.</param>
        /// <param name="faults">What is wrong, at its place.</param>
        /// <returns>False when there is a fault.</returns>
        public static bool TryParse(
            SourceText json, SchemaType.Record? type, [NotNullWhen(true)] out ValueRecord? record, out IReadOnlyList<Fault> faults)
        {
            var found = new List<Fault>();
            faults = found;
            record = EntityJsonReader.ReadRecord(json, type, found);
            return record is not null;
        }
    }

    extension(Entity)
    {
        /// <summary>Reads one entity in Cedar's JSON format: <c>{"uid", "attrs", "parents", "tags"?}</c>.</summary>
        /// <returns>False with a fault, at its place.</returns>
        public static bool TryParse(SourceText json, [NotNullWhen(true)] out Entity? entity, out IReadOnlyList<Fault> faults)
        {
            var found = new List<Fault>();
            faults = found;
            entity = EntityJsonReader.ReadOne(json, found);
            return entity is not null;
        }

        /// <summary>Reads an array of entities in Cedar's JSON format, without making a store of them: whether they fit together is not
        /// asked.</summary>
        /// <returns>False with the faults, each at its place.</returns>
        public static bool TryParseAll(
            SourceText json, [NotNullWhen(true)] out IReadOnlyList<Entity>? entities, out IReadOnlyList<Fault> faults)
        {
            var found = new List<Fault>();
            faults = found;
            var given = EntityJsonReader.Read(json, schema: null, found);
            entities = found.Count == 0 ? [.. given.Select(g => g.Entity)] : null;
            return entities is not null;
        }
    }

    extension(Entity entity)
    {
        /// <summary>The entity in Cedar's JSON format, with every escape that it takes to read it back without a schema.</summary>
        public string ToJson() => EntityJsonWriter.Write(entity);
    }
}
