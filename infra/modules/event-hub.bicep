metadata description = 'An Event Hubs namespace that takes no keys, with one hub, and capture where it is wanted.'

@description('Name of the namespace.')
param namespaceName string

@description('Name of the hub.')
param eventHubName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Tier.')
@allowed(['Standard', 'Premium'])
param skuName string

@description('Throughput units or processing units.')
param capacity int

@description('Standard: auto-inflate up to this many throughput units.')
param maximumThroughputUnits int

@description('Partitions.')
param partitionCount int

@description('Hours that events are kept.')
param retentionHours int

@description('Whether it is reachable through private endpoints only.')
param isPrivate bool

@description('Whether events are also written to blobs.')
param captures bool

@description('The account that capture writes to.')
param storageAccountName string

@description('The container that capture writes to.')
param captureContainerName string

@description('The workspace that gets logs and metrics.')
param workspaceId string

var inflates = skuName == 'Standard' && maximumThroughputUnits > capacity
// Who changed the hub. Who sent and read is told by Premium only, and the category group audit is nothing but that.
var auditCategories = skuName == 'Premium' ? ['OperationalLogs', 'RuntimeAuditLogs'] : ['OperationalLogs']
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: account
  name: 'default'
}

resource captureContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: captureContainerName
}

// Capture signs in to storage as this one, which may do nothing else.
resource captureIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (captures) {
  name: 'id-capture-${namespaceName}'
  location: location
  tags: tags
}

resource captureAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (captures) {
  name: guid(captureContainer.id, namespaceName, storageBlobDataContributor)
  scope: captureContainer
  properties: {
    principalId: captures ? captureIdentity.properties.principalId : ''
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: {
    name: skuName
    tier: skuName
    capacity: capacity
  }
  identity: captures ? {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${captureIdentity.id}': {}
    }
  } : {
    type: 'None'
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    isAutoInflateEnabled: inflates
    maximumThroughputUnits: inflates ? maximumThroughputUnits : 0
  }
}

resource eventHub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: eventHubName
  properties: {
    partitionCount: partitionCount
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionHours
    }
    captureDescription: captures ? {
      enabled: true
      encoding: 'Avro'
      intervalInSeconds: 300
      sizeLimitInBytes: 314572800
      skipEmptyArchives: true
      destination: {
        name: 'EventHubArchive.AzureBlockBlob'
        identity: {
          type: 'UserAssigned'
          userAssignedIdentity: captureIdentity.id
        }
        properties: {
          storageAccountResourceId: account.id
          blobContainer: captureContainerName
          archiveNameFormat: '{Namespace}/{EventHub}/{PartitionId}/{Year}/{Month}/{Day}/{Hour}/{Minute}/{Second}'
        }
      }
    } : null
  }
  dependsOn: [captureAssignment]
}

// The workbook reconciles the hub's own count with what was sent, so the metrics go to the workspace too.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit-and-metrics'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    logs: [for category in auditCategories: {
      category: category
      enabled: true
    }]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}
