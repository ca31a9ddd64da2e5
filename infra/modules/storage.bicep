metadata description = 'The storage account: the state of streams in tables, work in queues, the package in a container. No keys.'

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Redundancy.')
param skuName string

@description('Begins the names of all tables and queues: STREAM_TABLE_PREFIX.')
param tablePrefix string

@description('The container that the platform keeps the package of the app in.')
param deploymentContainerName string

@description('Whether Event Hubs Capture writes here.')
param makesCaptureContainer bool

@description('Whether it is reachable through private endpoints only.')
param isPrivate bool

@description('The workspace that gets audit logs.')
param workspaceId string

@description('Log categories to keep.')
param auditCategories array

// The app makes its tables and queues on first use; here they are made early, so that none of its first calls waits.
var prefix = toLower(tablePrefix)
var tableNames = ['${tablePrefix}streams', '${tablePrefix}outbox']
var queueNames = [
  '${prefix}-outbox-stage'
  '${prefix}-outbox-drain'
  '${prefix}-shard-run'
  '${prefix}-outbox-stage-poison'
  '${prefix}-outbox-drain-poison'
  '${prefix}-shard-run-poison'
]

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  // checkov:skip=CKV_AZURE_35: Without a virtual network there are no addresses to allow; no key opens the account, and privateNetworking closes it.
  // checkov:skip=CKV_AZURE_206: The state of streams is working state: a parameter chooses the redundancy, and the prod parameters choose zones.
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Trusted services are an exception of the firewall. Where capture needs it, the firewall stays on, and lets nobody else in.
    publicNetworkAccess: isPrivate && !makesCaptureContainer ? 'Disabled' : 'Enabled'
    networkAcls: {
      // Capture comes in as a trusted service, with an identity.
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource deploymentContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: deploymentContainerName
  properties: {
    publicAccess: 'None'
  }
}

resource captureContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = if (makesCaptureContainer) {
  parent: blobs
  name: 'eventhub-capture'
  properties: {
    publicAccess: 'None'
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' = [for tableName in tableNames: {
  parent: tables
  name: tableName
}]

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [for queueName in queueNames: {
  parent: queues
  name: queueName
}]

resource blobAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(auditCategories)) {
  name: 'audit'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [for category in auditCategories: {
      category: category
      enabled: true
    }]
  }
}

resource tableAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(auditCategories)) {
  name: 'audit'
  scope: tables
  properties: {
    workspaceId: workspaceId
    logs: [for category in auditCategories: {
      category: category
      enabled: true
    }]
  }
}

resource queueAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(auditCategories)) {
  name: 'audit'
  scope: queues
  properties: {
    workspaceId: workspaceId
    logs: [for category in auditCategories: {
      category: category
      enabled: true
    }]
  }
}

output name string = account.name
